"""What the configs share: the argument after the colon, the CIFAR protocol, and the demo."""
import difflib
import types
from pathlib import Path

from kdjax.config import default
from kdjax.config.milestones import scaled
from kdjax.errors import UserError

FLAGS = ("demo",)
WEIGHTS = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".safetensors")
DEMO_EPOCHS = 10
DEMO_PAIR = ("resnet14", "resnet8")


def parse(arg, flags=(), **defaults):
    """`teacher=wrn_40_2,student=wrn_16_2,demo` -> a namespace of the defaults, replaced by what is given.

    defaults: the arguments that exist; their types are kept. flags: words that may stand alone, besides `demo`.
    Raises UserError for an unknown argument or a value of another type.
    """
    flags = (*FLAGS, *flags)
    known = {"dataset": "cifar100", "seed": 0, **dict.fromkeys(flags, False), **defaults}
    given = {}
    for part in filter(None, (arg or "").split(",")):
        name, equals, text = part.strip().partition("=")
        if name not in known or (name in flags) == bool(equals):
            raise UserError(unknown(part, known, flags))
        given[name] = convert(name, text, known[name]) if equals else True
    return types.SimpleNamespace(**(known | given), given=frozenset(given))


def unknown(part: str, known: dict, flags: tuple) -> str:
    """The message for an argument that no config, or not this one, understands."""
    near = difflib.get_close_matches(part.partition("=")[0], known, n=1)
    usage = ",".join(name if name in flags else f"{name}=..." for name in known if not name.startswith("_"))
    guess = f" (did you mean {near[0]!r}?)" if near else ""
    return f"config argument {part!r} is not understood{guess}; it takes {usage}"


def convert(name: str, text: str, like):
    """The value in the type of its default."""
    kind = {int: "a whole number", float: "a number"}.get(type(like), "a value")
    try:
        if not text:
            raise ValueError(name)
        return type(like)(text)
    except ValueError:
        raise UserError(f"config argument {name}={text!r} needs {kind}") from None


def pair(arg, flags=(), teacher="resnet32x4", student="resnet8x4", **defaults):
    """`parse` for a config that distils: with demo, the small pair replaces the default one.

    args.teacher: the first teacher's network by name, read from its file where a path is given ("" where it does not
    tell), so that a value chosen by the pair is the same in every spelling. args.teachers: names and paths as given.
    A config may put another name into args.teacher.
    """
    args = parse(arg, flags, teacher=teacher, student=student, _teacher="", **defaults)
    if args.demo:
        small = dict(zip(("teacher", "student"), DEMO_PAIR)) | {"dataset": "digits"}
        args.__dict__.update({k: v for k, v in small.items() if k not in args.given})
    args.teachers = args.teacher.split("+")
    args.teacher = args.found = network(args._teacher or args.teachers[0])  # _teacher: see kdjax.config.pair
    return args


def experiment(args, pairs: dict) -> None:
    """Makes the pair that `experiment=` numbers the arguments', as `take` does."""
    if args.experiment and args.experiment not in pairs:
        raise UserError(f"config argument experiment={args.experiment} is not one of 1 to {len(pairs)}")
    if args.experiment and not args.demo:
        take(args, *pairs[args.experiment])


def take(args, teacher: str, student: str) -> None:
    """Makes a pair that a config numbers the pair of its arguments, but for a network that is given itself."""
    if not args.given & {"teacher", "_teacher"}:
        args.teacher = teacher
    if "student" not in args.given:
        args.student = student


def network(teacher: str) -> str:
    """The name of a network that is given by its name or by the path of its folder or file."""
    if not is_path(teacher):
        return teacher
    from kdjax import weights  # it loads JAX, which takes seconds
    return weights.name_at(teacher)


def is_path(teacher: str) -> bool:
    """Whether a teacher is given by its place: anything with a slash or the ending of a file of weights."""
    return "/" in teacher or teacher.endswith(WEIGHTS)


def distil(args, method: str):
    """The CIFAR protocol of RepDistiller for a pair of networks (spec/protocols.md 1): 240 epochs, batch 64, SGD 0.05.

    The teacher is `teachers/NAME` (CIFAR-100) or `teachers/NAME_DATASET`, else a finished run of configs/vanilla.py;
    `teacher=` also takes a path, and several joined by "+". With demo it is trained first.
    """
    config = alone(args, method, args.student)
    teachers = args.teachers if args.teacher == args.found else [args.teacher]
    if args.demo and not any(map(is_path, teachers)):
        if len(teachers) > 1:
            raise UserError("demo trains one teacher; name one, or give paths of trained ones")
        config.teacher.name, config.teacher.train_epochs = teachers[0], DEMO_EPOCHS
        config.experiment.compare = True
    else:
        config.teacher.name = ",".join("" if is_path(name) else name for name in teachers)
        config.teacher.checkpoint = ",".join(teacher_path(name, args.dataset) for name in teachers)
    return config


def teacher_path(name: str, dataset: str) -> str:
    """Where a teacher is expected: a path as given, else in teachers/, else where configs/vanilla.py left it."""
    if is_path(name):
        return name
    place = f"teachers/{name}" if dataset == "cifar100" else f"teachers/{name}_{dataset}"
    return place if Path(place).exists() else trained(name, dataset) or place


def trained(name: str, dataset: str) -> str:
    """The first finished run of configs/vanilla.py under runs/ that trained this network on this data; "" for none."""
    runs = sorted(Path("runs").glob(f"vanilla-none-{name.replace(':', '_')}-{dataset}-s*-t*"))
    return next((str(run) for run in runs if (run / "result.json").is_file() and (run / "student").is_dir()), "")


def alone(args, method: str, student: str):
    """The same protocol without a teacher."""
    config = default()
    config.method.name, config.student.name = method, student
    config.data.dataset, config.seed = args.dataset, args.seed
    return small(config) if args.demo else config


def small(config):
    """A minute's worth: 10 epochs, milestones at the same fractions, two epochs of a pre-stage, nothing mirrored."""
    scale_epochs(config, DEMO_EPOCHS)
    config.train.init_epochs = 2
    config.data.update({"flip": False, "eval_batch_size": 120})  # a mirrored digit is another one; 359 test images
    config.log.every_steps = 10
    return config


def scale_epochs(config, epochs: int):
    """`epochs` epochs, with the schedule's milestones at the same fractions."""
    config.optim.schedule.milestones = scaled(config.optim.schedule.milestones, epochs / config.train.epochs)
    config.train.epochs = epochs
    return config
