"""DS-SRD's published commands, pasted, and its configs."""
import shlex

import pytest

from configs import ds_srd, ds_srd_aug, ds_srd_proto
from kdjax import main
from kdjax.config import check
from kdjax.errors import UserError
from kdjax.methods import chosen
from kdjax.methods.dkd import DKD

AUG = ("train_student_ds_srd.py --model_s wrn_16_2 --path_t teachers/wrn_40_2 --distill crd -r 0.1 -a 0.9 -b 0.8 "
       "-c 0.8 "
       "--lw_mix [1,0,1] --t_output_as_target_for_input_mix --warmup_epoch 10 --save_entropy_log_step 0 --low-dim 128 "
       "--epochs 240 --project x ")
PAIRS = [("resnet32x4", "resnet8x4"), ("wrn_40_2", "wrn_16_2"), ("resnet32x4", "ShuffleV1"), ("wrn_40_2", "ShuffleV1")]


def parsed(words):
    with pytest.warns(UserWarning, match="left out"):
        config = main.parse(shlex.split(words))
    check.check(config)
    return config


@pytest.mark.parametrize(("number", "pair"), enumerate(PAIRS, 1))
def test_the_double_students_commands_run_as_they_stand(number, pair):
    config = parsed(f"python train_student_ds.py --model_t {pair[0]} --model_s {pair[1]} --distill crd -a 1 --gpu_id 0")
    assert (config.program, config.teacher.name, config.student.name) == ("double_student", *pair)
    assert (config.train.epochs, config.data.batch_size, config.optim.warmup_epochs) == (500, 128, 10)
    ours = ds_srd.get_config(f"experiment={number}")
    assert (ours.teacher.name, ours.student.name, ours.train.epochs) == (*pair, 240)
    assert not ours.teacher.checkpoint


@pytest.mark.parametrize(("number", "words", "mode", "criterion"), [
    (1, "--mix_mode identity", "identity", None), (2, "--mix_mode flip", "flip", None),
    (3, "--mix_mode crop+flip", "crop+flip", None), (4, "--mix_mode cutout", "cutout", None),
    (5, "--mix_mode autoaugment", "autoaugment", None), (6, "--mix_mode mixup", "mixup", None),
    (7, "--mix_mode cutmix", "cutmix", None),
    (8, "--mix_mode cutmix_pick --mix_n_run 2", "cutmix_pick", "student_entropy"),
    (9, "--mix_mode cutmix_pick --mix_n_run 2 --cutmix_pick_criterion teacher_entropy", "cutmix_pick",
     "teacher_entropy"),
])
def test_the_augmentation_programs_commands_run_as_they_stand(number, words, mode, criterion):
    pasted, ours = parsed(AUG + words), ds_srd_aug.get_config(f"experiment={number}")
    for config in (pasted, ours):
        assert (config.mix.mode, tuple(config.mix.weights), config.mix.fresh_teacher) == (mode, (1, 0, 1), True)
        assert (config.loss.gamma, config.loss.alpha, config.loss.beta) == (0.1, 0.9, 0.8)
        assert (config.method.proto.weight, config.method.proto.start_epoch) == (0.8, 10)
        assert (config.student.name, config.train.epochs, config.data.batch_size) == ("wrn_16_2", 240, 64)
        assert tuple(config.method.names) == ("crd", "proto")
        assert criterion in (None, config.mix.criterion)


@pytest.mark.parametrize(("value", "logged"), [("0", False), ("5000", True)])
def test_the_entropy_log_s_flag_logs_the_scores(value, logged):
    words = AUG.replace("--save_entropy_log_step 0", f"--save_entropy_log_step {value}")
    assert parsed(words + "--mix_mode cutmix_pick").mix.log_scores is logged


def test_good_das_form_has_kd_alone():
    config = ds_srd_aug.get_config("mix=cutmix,kd,teacher=resnet56,student=resnet20")
    assert (config.method.name, tuple(config.method.names), config.loss.beta) == ("kd", (), 0.0)


@pytest.mark.parametrize("module", [ds_srd, ds_srd_proto, ds_srd_aug])
@pytest.mark.parametrize("argument", ["", "demo", "experiment=3"])
def test_every_form_of_a_config_is_a_valid_one(module, argument):
    check.check(module.get_config(argument or None))


def test_the_prototype_configs_are_the_table_of_the_release():
    first, second, dkd = (ds_srd_proto.get_config(f"experiment={n}") for n in ("3", "4,weights=second", "6,dkd"))
    assert (first.student.name, first.method.proto.tap, first.loss.beta) == ("wrn_40_1", "logits", 0.8)
    assert (second.loss.beta, second.method.proto.weight, second.data.batch_size) == (5, 1, 128)
    assert (dkd.loss.alpha, dkd.method.dkd.alpha, dkd.method.dkd.beta, dkd.data.batch_size) == (1, 2, 1, 64)
    assert (dkd.loss.kd_kind, dkd.loss.beta, chosen(dkd)) == ("dkd", 0.8, {"dkd": 1, "crd": 1, "proto": 1})


def test_the_prototype_programs_dkd_flag_puts_dkd_in_the_kl_divergences_place():
    config = parsed("train_student_pcl.py --path_t x/wrn_40_2 --model_s wrn_16_2 --distill crd -a 2 -b 5 -c 1 --dkd "
                    "--dkd_alpha 6 --dkd_beta 1 --low-dim 128 --batch_size 64")
    assert (config.loss.kd_kind, config.loss.alpha, config.loss.beta, config.method.proto.weight) == ("dkd", 2, 5, 1)
    assert (config.method.dkd.alpha, config.method.dkd.beta, config.method.dkd.temperature) == (6, 1, 4)
    assert list(chosen(config)) == ["dkd", "crd", "proto"]
    assert DKD(None, None, config).own_weight == 2


def test_legacy_is_one_word():
    config = ds_srd.get_config("legacy,experiment=1")
    assert config.ds.legacy
    assert config.optim.schedule.offset == 1


@pytest.mark.parametrize(("get", "argument", "says"), [
    (ds_srd.get_config, "experiment=8", "one of 1 to 7"), (ds_srd_aug.get_config, "mix=cutmic", "not one of identity"),
    (ds_srd_aug.get_config, "experiment=10", "one of 1 to 9"),
    (ds_srd_proto.get_config, "weights=third", "one of first, second, ablation"),
])
def test_arguments_that_mean_nothing_are_refused_in_a_sentence(get, argument, says):
    with pytest.raises(UserError, match=says):
        get(argument)
