"""What a grid expands to, and which teachers come first."""
import hashlib
from pathlib import Path

import pytest

from kdjax import sweep
from kdjax.config import file as config_file
from kdjax.errors import UserError
from kdjax.methods import METHODS
from kdjax.sweeps import plan, spec, words


def commands(tmp_path, *argv) -> dict[str, str]:
    """{name of the folder: command} of a command line."""
    args, fields = sweep.parser().parse_known_args([str(tmp_path / "s"), *argv])
    jobs = plan.plan(spec.asked(args, fields), args.folder, {"resnet56"})
    return {str(job.folder.relative_to(tmp_path / "s")) if job.folder.is_relative_to(tmp_path) else str(job.folder):
            " ".join(job.command) for job in jobs}


def test_every_combination_is_one_ordinary_run_with_a_readable_name(tmp_path):
    found = commands(tmp_path, "--methods", "kd,crd+kd", "--pairs", "resnet56/resnet20,resnet110/resnet32", "--seeds",
                     "0-2", "--config.data.dir=here")
    runs = {name: c for name, c in found.items() if "-m kdjax.main" in c}
    assert len(runs) == 12
    one = runs["crd+kd-resnet110-resnet32-cifar100-s2"]
    assert "--config configs/crd.py:kd,teacher=resnet110,student=resnet32,seed=2" in one
    assert "--config.data.dir=here" in one
    assert one.endswith(f"--workdir {tmp_path / 's/crd+kd-resnet110-resnet32-cifar100-s2'}")


def test_the_student_alone_runs_once_for_all_of_its_teachers(tmp_path):
    found = commands(tmp_path, "--methods", "vanilla,kd", "--pairs", "resnet56/resnet20,resnet110/resnet20")
    assert [name for name in found if name.startswith("vanilla")] == ["vanilla-resnet20-cifar100-s0"]


def test_grid_values_are_in_the_names_and_in_the_commands(tmp_path):
    found = commands(tmp_path, "--methods", "kd", "--pairs", "resnet110/resnet32", "--grid", "loss.kd_temperature=2,4",
                     "--grid", "optim.schedule.milestones=(1,2);(3,4)")
    assert "kd-resnet110-resnet32-cifar100-kd_temperature=2-milestones=_3_4_-s0" in found
    assert len(found) == 4 and all("--config.loss.kd_temperature=" in c for c in found.values())


def test_two_runs_never_share_a_folder(tmp_path):
    with pytest.raises(UserError, match="two runs would be called"):
        commands(tmp_path, "--methods", "kd", "--pairs", "resnet110/resnet32", "--grid", "data.dir=a/b;a:b")


def test_settings_of_the_teacher_are_no_business_of_a_student_alone(tmp_path):
    found = commands(tmp_path, "--methods=vanilla,kd", "--pairs", "resnet14/resnet8", "--demo",
                     "--config.teacher.train_epochs=1", "--config.data.per_class=9")
    assert "--config.teacher" not in found["vanilla-resnet8-digits-s0"] and len(found) == 3
    assert "per_class=9" in found["vanilla-resnet8-digits-s0"]


def test_a_demos_teacher_is_trained_once_and_shared_by_all_methods_and_seeds(tmp_path):
    found = commands(tmp_path, "--methods=vanilla,kd,itrd", "--pairs", "resnet14/resnet8", "--seeds", "0,1", "--demo")
    teachers = {name: c for name, c in found.items() if name.startswith("teachers/")}
    assert list(teachers) == ["teachers/resnet14-digits"] and len(found) == 7
    assert "configs/vanilla.py:model=resnet14,dataset=digits,seed=0,demo" in teachers["teachers/resnet14-digits"]
    students = [c for name, c in found.items() if name.startswith(("kd", "itrd"))]
    used = f"--config.teacher.checkpoint={tmp_path / 's/teachers/resnet14-digits/student'}"
    assert len(students) == 4 and all(used in c and "--config.teacher.train_epochs=0" in c for c in students)
    assert all("--config.experiment.compare=False" in c for c in students)


def test_a_teachers_length_scales_its_milestones_and_takes_the_common_settings_only(tmp_path):
    found = commands(tmp_path, "--methods", "kd", "--pairs", "resnet14/resnet8", "--demo", "--grid", "optim.lr=0.1,0.2",
                     "--config.teacher.train_epochs=5", "--config.data.per_class=9", "--config.loss.kd_temperature=3")
    (teacher,) = [c for name, c in found.items() if name.startswith("teachers/")]
    assert "train.epochs=5" in teacher and "schedule.scale=True" in teacher and "data.per_class=9" in teacher
    assert "optim.lr" not in teacher and "kd_temperature" not in teacher


def test_a_torch_file_is_converted_once_into_a_folder_named_by_its_contents(tmp_path):
    for name in ("a", "b"):
        path = tmp_path / f"{name}/wrn_10_2_vanilla/ckpt.pth"
        path.parent.mkdir(parents=True)
        path.write_bytes(name.encode())
    pairs = ",".join(f"{tmp_path}/{name}/wrn_10_2_vanilla/ckpt.pth/wrn_10_1" for name in "ab")
    with pytest.raises(UserError, match="two runs would be called"):
        commands(tmp_path, "--methods", "kd", "--pairs", pairs)
    found = commands(tmp_path, "--methods", "kd,itrd", "--pairs", pairs.split(",")[0], "--seeds", "0,1")
    out = f"wrn_10_2-{hashlib.sha256(b'a').hexdigest()[:8]}"
    assert len(found) == 5 and "-m kdjax.convert" in found[f"teachers/{out}"]
    runs = [c for name, c in found.items() if not name.startswith("teachers/")]
    assert all(f"--config.teacher.checkpoint={tmp_path / 's/teachers' / out}" in c for c in runs)


def test_released_teachers_are_fetched_once_and_others_trained_when_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["--methods", "kd,at", "--pairs", "resnet56/resnet20,resnet44/resnet20"]
    found = commands(tmp_path, *argv)
    assert len(found) == 5 and found["teachers/resnet56"] == "-m kdjax.fetch teachers resnet56 --no-check"
    found = commands(tmp_path, *argv, "--train-teachers")
    assert "configs/vanilla.py:model=resnet44" in found["teachers/resnet44-cifar100"] and len(found) == 6


@pytest.mark.parametrize(("argv", "says"), [
    (["--methods", "kd", "--seeds", "0"], "say methods, pairs and seeds"),
    (["--methods", "kdd", "--pairs", "a/b"], "no config file.*did you mean configs/kd.py"),
    (["--methods", "kd", "--pairs", "resnet20"], "is not TEACHER/STUDENT"),
    (["--methods", "kd", "--pairs", "a/b", "--config.loss.bta=1"], "did you mean config.loss.beta"),
    (["--methods", "kd", "--pairs", "a/b", "--grid", "loss.beta"], "is not FIELD=VALUE"),
    (["--methods", "kd", "--pairs", "a/b", "--jbos=2"], "is not understood"),
    (["--sweep", "nowhere.py"], "no sweep file"),
    (["--sweep", "configs/sweeps/baselines.py:all"], "same, cross or demo"),
    (["--sweep", "configs/sweeps/scales.py"], "takes teacher=FILE"),
    (["--sweep", "configs/sweeps/scales.py:teacher=a,epochs=3"], "takes teacher=FILE")])
def test_a_mistake_is_one_sentence_before_anything_runs(tmp_path, argv, says):
    with pytest.raises(UserError, match=says):
        commands(tmp_path, *argv)
    assert not (tmp_path / "s").exists()


def test_seeds_are_numbers_and_ranges():
    assert words.numbers("0,2,4-6,2") == (0, 2, 4, 5, 6)
    for wrong in ("a", "3-1", "-1"):
        with pytest.raises(UserError):
            words.numbers(wrong)


def test_a_file_gives_the_grid_and_the_command_line_wins(tmp_path):
    found = commands(tmp_path, "--sweep", "configs/sweeps/baselines.py:demo", "--seeds", "5")
    assert sorted(found) == ["itrd-resnet14-resnet8-digits-s5", "kd-resnet14-resnet8-digits-s5",
                             "teachers/resnet14-digits", "vanilla-resnet8-digits-s5"]


def test_a_broken_file_is_named_with_its_line(tmp_path):
    (tmp_path / "broken.py").write_text("def get_sweep(arg=None):\n    return {'method': ('kd',)}\n")
    with pytest.raises(UserError, match="broken.py failed"):
        commands(tmp_path, "--sweep", str(tmp_path / "broken.py"))


def test_the_smoke_test_of_scales_has_every_method_once_under_the_same_fields(tmp_path):
    teacher = tmp_path / "resnet56/ckpt.pth"
    teacher.parent.mkdir()
    teacher.write_bytes(b"x")
    found = commands(tmp_path, "--sweep", f"configs/sweeps/scales.py:teacher={teacher}")
    runs = {name: c for name, c in found.items() if not name.startswith("teachers/")}
    assert sorted(name.partition("-")[0] for name in runs) == sorted(METHODS)
    assert all("--config.train.epochs=2" in c and "--config.data.stats=imagenet" in c for c in runs.values())
    assert [name for name, c in runs.items() if "train.init_epochs=1" in c] == [
        f"{m}-resnet56-resnet20-cifar10-s0" for m in ("ab", "ft", "fsp")]
    assert [name.partition("-")[0] for name, c in runs.items() if "--config.loss.beta=100" in c] == ["semckd"]


def test_the_reproduction_runs_under_the_originals_protocol(tmp_path):
    (tmp_path / "wrn_10_2_vanilla").mkdir()
    (tmp_path / "wrn_10_2_vanilla/ckpt_epoch_2.pth").write_bytes(b"x")
    teacher = tmp_path / "wrn_10_2_vanilla/ckpt_epoch_2.pth"
    argument = f"protocol=2k,data=d/cifar10_2k.npz,teacher={teacher}"
    found = commands(tmp_path, "--sweep", f"configs/sweeps/reproduction.py:{argument}")
    assert len(found) == 1 + 6 * 5
    crd = found["crd-wrn_10_2-wrn_10_1-cifar10_2k-s4"]
    for part in ("crd.num_negatives=1024", "train.epochs=5", "milestones=(3,4)", "stats=cifar10", "lr=0.05"):
        assert part in crd
    assert "itrd.alpha=1.01" in found["itrd-wrn_10_2-wrn_10_1-cifar10_2k-s0"]


def test_the_baselines_are_the_thirteen_published_pairs(shared):
    rows = (shared / "spec/published_results.csv").read_text().splitlines()[1:]
    sweeps = config_file.execute(Path("configs/sweeps/baselines.py"))
    assert {tuple(row.split(",")[1:3]) for row in rows} == set(sweeps.SAME + sweeps.CROSS)
