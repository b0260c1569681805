"""The originals' flags: their commands become configs as they stand (spec: protocols, section 9)."""
import re
import shlex
import warnings

import pytest

from kdjax import main
from kdjax.config.flags import COMMON, PROGRAMS, Flag, Program
from kdjax.config.walk import get
from kdjax.config.words import read
from kdjax.errors import UserError

FIELDS = [  # flag and value -> field, value: every row of the table that a field of kdjax answers
    ("--print_freq 50", "log.every_steps", 50), ("--save_freq 40", "checkpoint.every_epochs", 40),
    ("--save_freq -1", "checkpoint.every_epochs", 1_000_000), ("--batch_size 32", "data.batch_size", 32),
    ("--epochs 240", "train.epochs", 240), ("--init_epochs 20", "train.init_epochs", 20),
    ("--learning_rate 0.1", "optim.lr", 0.1), ("--lr_decay_epochs 30,60,90", "optim.schedule.milestones", (30, 60, 90)),
    ("--lr_decay_epochs 100", "optim.schedule.milestones", (100,)),
    ("--lr_decay_rate 0.2", "optim.schedule.decay", 0.2), ("--cosine", "optim.schedule.kind", "cosine"),
    ("--weight_decay 1e-4", "optim.weight_decay", 1e-4), ("--weight-decay=1e-4", "optim.weight_decay", 1e-4),
    ("--momentum 0.8", "optim.momentum", 0.8), ("--dataset cifar10", "data.dataset", "cifar10"),
    ("--model_s vgg8", "student.name", "vgg8"), ("--model vgg8", "student.name", "vgg8"),
    ("--path_t a/b.pth", "teacher.checkpoint", "a/b.pth"), ("--path-t a/b.pth", "teacher.checkpoint", "a/b.pth"),
    ("--model_t vgg13", "teacher.name", "vgg13"), ("--path_s s.pth", "student.checkpoint", "s.pth"),
    ("--trial 3", "experiment.trial", 3), ("-t 3", "experiment.trial", 3), ("--seed 5", "seed", 5),
    ("-r 0.5", "loss.gamma", 0.5), ("--gamma 0.5", "loss.gamma", 0.5), ("--cls 0.5", "loss.gamma", 0.5),
    ("-a 0.9", "loss.alpha", 0.9), ("--div 0.9", "loss.alpha", 0.9), ("-d 0.9", "loss.alpha", 0.9),
    ("-b 0.8", "loss.beta", 0.8), ("--beta=0.8", "loss.beta", 0.8), ("--kd_T 2", "loss.kd_temperature", 2.0),
    ("--feat_dim 64", "method.feat_dim", 64), ("--mode relax", "method.crd.mode", "relax"),
    ("--nce_k 4096", "method.crd.num_negatives", 4096), ("--nce_k 4096", "method.rrd.queue_size", 4096),
    ("--nce_t 0.1", "method.crd.temperature", 0.1), ("--nce_m 0.9", "method.crd.momentum", 0.9),
    ("--nce_t_s 0.1", "method.rrd.student_temperature", 0.1), ("--nce_t_t 0.2", "method.rrd.teacher_temperature", 0.2),
    ("--memory_type fifo", "method.crd.memory", "queue"), ("--memory_type momentum", "method.rrd.memory", "bank"),
    ("--hint_layer 1", "method.fitnet.layer", 1), ("--lambda_corr 1", "method.itrd.corr_weight", 1.0),
    ("--lambda_mutual 0.05", "method.itrd.mutual_weight", 0.05), ("--alpha_it 1.01", "method.itrd.alpha", 1.01),
    ("--factor 4", "method.simkd.factor", 4), ("-f 4", "method.simkd.factor", 4),
    ("--soft 0.5", "method.semckd.soft", 0.5), ("-s 0.5", "method.semckd.soft", 0.5),
    ("--deterministic", "train.deterministic", True), ("--skip-validation", "teacher.min_accuracy", 0.0),
    ("--student-depth 10 --student-width 2", "student.name", "wrn_10_2"), ("--depth 40", "student.name", "wrn_40_1"),
    ("--teacher-width 4", "teacher.name", "wrn_40_4"), ("--max-epochs 240", "train.epochs", 240),
    ("--variational-information-distillation-factor 0.1", "loss.beta", 0.1),
    ("--knowledge-distillation-factor 1.0", "loss.alpha", 1.0),
    ("--knowledge-distillation-temperature 2.0", "loss.kd_temperature", 2.0),
    ("--teacher-state-dict-path t.pth", "teacher.checkpoint", "t.pth"), ("--data-dir d", "data.dir", "d"),
]


@pytest.mark.parametrize(("words", "field", "value"), FIELDS, ids=[row[0] + " " + row[1] for row in FIELDS])
def test_a_flag_sets_its_field(words, field, value):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert get(main.parse(["--distill", "crd", *shlex.split(words)]), field) == value
    assert not said


def test_the_published_command_runs_as_it_stands():
    c = main.parse(shlex.split(
        "python train_student.py --path_t ./save/models/resnet32x4_vanilla/ckpt_epoch_240.pth --distill itrd --model_s "
        "resnet8x4 --lambda_corr 2.0 --lambda_mutual 1.0 --alpha_it 1.01 -r 1 -a 0 -b 1.0 --trial 1"))
    assert (c.method.name, c.student.name, c.method.itrd.alpha, c.experiment.trial) == ("itrd", "resnet8x4", 1.01, 1)
    assert c.teacher.checkpoint == "./save/models/resnet32x4_vanilla/ckpt_epoch_240.pth"
    c = main.parse(["train_teacher.py", "--model", "wrn_40_2"])
    assert (c.method.name, c.student.name, c.loss.beta) == ("vanilla", "wrn_40_2", 0.0)


@pytest.mark.parametrize(("name", "own"), [("hint", "fitnet"), ("abound", "ab"), ("rcd", "rrd"), ("kd", "kd")])
def test_the_originals_names_of_methods_choose_the_config(name, own):
    assert main.parse(["--distill", name]).method.name == own


def test_what_has_no_meaning_here_is_named_once():
    words = "--distill kd --num_workers 8 --gpu_id 0,1 --num_workers 4 --multiprocessing-distributed --tb_freq 500"
    with pytest.warns(UserWarning, match="left out") as said:
        c = main.parse(shlex.split(words))
    assert c.method.name == "kd"
    assert [str(w.message) for w in said] == [
        "without a meaning here, and left out: --num_workers, --gpu_id, --multiprocessing-distributed, --tb_freq"]


@pytest.mark.parametrize(("words", "says"), [
    ("--distill kd --lr_decay_epoch 1", "did you mean --lr_decay_epochs"),
    ("--distill kd -c 1", "write the long name"), ("--distill kd --path_t", "--path_t needs a value"),
    ("--distill kd --path_t --model_s vgg8", "--path_t needs a value"), ("--distill", "--distill needs a value"),
    ("--distill kd --memory_type disk", "'disk' is not a memory"), ("train_student.py", "say what to run"),
    ("train_studnet.py --distill kd", "'train_studnet.py' is not understood"),
    ("--distill kd --hint_layer x", "config.method.fitnet.layer='x' is not a whole number"),
])
def test_what_nobody_knows_is_refused(words, says):
    with pytest.raises(UserError, match=re.escape(says)):
        main.parse(shlex.split(words))


def test_the_last_of_two_wins_between_both_kinds_of_flags():
    both = ["--distill", "kd", "--config.loss.beta=2", "-b", "3", "-r", "1", "--config.loss.gamma=0.5"]
    c = main.parse(both)
    assert (c.loss.beta, c.loss.gamma) == (3.0, 0.5)


def test_a_program_brings_its_config_its_flags_and_its_words(monkeypatch):
    own = Program("configs/x.py", {"-a": "student.name", "--gray": "data.flip", "-c": Flag(("loss.beta",))},
                  words=("data.dir", ""))
    monkeypatch.setitem(PROGRAMS, "train_x.py", own)
    asked = read(shlex.split("./src/train_x.py 'data' extra -a vgg8 --gray -c 0.8 -r 1 --workdir w"), str)
    assert asked.spec == "configs/x.py"
    assert asked.fields == [("data.dir", "data"), ("student.name", "vgg8"), ("data.flip", "True"), ("loss.beta", "0.8"),
                            ("loss.gamma", "1"), ("experiment.workdir", "w")]


def test_a_flag_of_several_fields_sets_fields_of_one_type():
    from kdjax.config import FIELDS
    for flag in COMMON.values():
        assert len({FIELDS[field].kind for field in flag.fields}) <= 1
