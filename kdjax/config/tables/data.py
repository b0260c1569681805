"""The images."""
from kdjax.config.field import Field

FIELDS = {
    "data.dataset": Field("digits", "`digits`, `cifar10`, `cifar100`, a TFDS name, or a path", flags=("--dataset",)),
    "data.dir": Field("", "where prepared data lies", may_change="always", flags=("--data-dir",)),
    "data.download": Field(False, "fetch the official CIFAR archive", may_change="always"),
    "data.verify": Field(True, "check the official archives' md5", may_change="always"),
    "data.cache_dir": Field("", "decoded data; empty: `~/.cache/kdjax`", may_change="always"),
    "data.stats": Field("auto", "mean and std: `auto` (the data's own), `teacher` (what it was trained with, where it "
                        "says so), `ssl` (the self-supervised releases'), a data set's name, or six numbers",
                        kind=object),
    "data.image_size": Field(None, "resize to this; None: as it is", kind=int, low=8, high=4096),
    "data.resize": Field("stretch", "how images become square: `stretch` them, or `crop` the middle after resizing the "
                         "shorter side", choices=("stretch", "crop")),
    "data.test_fraction": Field(0.0, "of each class of a folder without test images, held out as those", high=0.9),
    "data.test_seed": Field(0, "chooses them; runs of all seeds are tested on the same images"),
    "data.batch_size": Field(64, "images a training step, on all devices together", low=1, flags=("--batch_size",)),
    "data.eval_batch_size": Field(500, "images an evaluation step; changes no result", low=1, may_change="always"),
    "data.drop_last": Field(True, "drop the last, smaller batch of an epoch"),
    "data.per_class": Field(0, "train on so many images of each class; 0: all"),
    "data.per_class_seed": Field(0, "chooses them; runs of all seeds train on the same images"),
    "data.exif": Field("ignore", "an orientation in an image's EXIF: `ignore` it, as torchvision does, or `apply` it",
                       choices=("ignore", "apply")),
    "data.allow_empty_classes": Field(False, "train although a class has no image"),
    "data.valid_size": Field(0, "split so many off the training images for validation"),
    "data.crop": Field(4, "padding of the random crop, in pixels; 0: none", high=4096),
    "data.flip": Field(True, "random horizontal flip"),
    "data.class_ratio": Field(1.0, "share of the classes that are kept", high=1),
    "data.label_ratio": Field(1.0, "share of each class's training images that are kept", high=1),
    "data.table_stats": Field("train", "rows whose mean and deviation a table is standardised with; `all`: as released",
                              choices=("train", "all")),
    "data.sample_rate": Field(0, "of WAV files, a second; 0: 16000, fsdd 8000"),
    "data.versions": Field(0, "augmented spectrograms made of each training recording; 0: only the clean one",
                           high=1000),
    "data.padding": Field("zero", "`zero` or `reflect`", choices=("zero", "reflect")),
}
