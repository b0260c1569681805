"""Student and teacher."""
from kdjax.config.field import Field

FIELDS = {
    "student.name": Field("resnet8", "network: docs/models.md, or `package.module:Class`",
                          flags=("--model_s", "--model")),
    "student.checkpoint": Field("", "start from these weights", flags=("--path_s",)),
    "teacher.name": Field("", "checked against the checkpoint; chooses the architecture of a `.pth` that does not tell",
                          flags=("--model_t",)),
    "teacher.checkpoint": Field("", "converted folder, run folder or `.pth`; several joined by commas",
                                flags=("--path_t", "--path-t", "--teacher-state-dict-path")),
    "teacher.min_accuracy": Field(None, "refuse a teacher below this top-1 in percent; None: twice chance", kind=float,
                                  high=100, may_change="always"),
    "teacher.batch_stats": Field("running", "`running`, or `batch`: the teacher normalises by the batch, as the VID "
                                 "release does", choices=("running", "batch")),
    "teacher.cache": Field("off", "keep the teacher's logits and embeddings by image and view, for this run (`memory`) "
                           "or for all that share the teacher and the data (`disk`)", choices=("off", "memory", "disk"),
                           may_change="always"),
    "teacher.ahead": Field(1, "steps whose teacher is computed at once, in one large batch before them; 0: as many as "
                           "fill a GPU (a CPU: one)", low=0, may_change="always"),
    "teacher.train_epochs": Field(0, "without a checkpoint: first train `teacher.name` for so many epochs"),
}
