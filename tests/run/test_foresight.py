"""The teacher's cache: exact, whatever was cached before, and only where it serves."""
import jax
import numpy as np
import pytest

from kdjax.run import filler
from kdjax.run.foresight import fingerprint
from kdjax.run.stage import Orders
from tests.run.staged import IMAGES, TEACHER, config, same, staged, trained


@pytest.mark.slow
def test_a_run_is_bit_identical_whatever_was_cached_before(tmp_path):
    alone, _ = trained(config("memory", tmp_path, "pkt"))
    trained(config("disk", tmp_path, "kd"), epochs=1)       # leaves the half of what is needed
    partly, stage = trained(config("disk", tmp_path, "pkt"))
    assert (stage.foresight.found, stage.foresight.computed) == (40, 40)
    wholly, stage = trained(config("disk", tmp_path, "pkt"))
    assert stage.foresight.computed == 0
    assert same(partly, alone)
    assert same(wholly, alone)


@pytest.mark.slow
def test_it_trains_what_the_teacher_inside_the_step_trains(tmp_path):
    """float32: the teacher is another program, so its rounding differs. With the last, smaller batch of the epoch."""
    cached, _ = trained(config("memory", tmp_path, "pkt", drop_last=False), epochs=1)
    inside, stage = trained(config("off", tmp_path, "pkt", drop_last=False), epochs=1)
    start = jax.tree.leaves(staged(stage.config).state._replace(metrics={}))
    moved = max(np.abs(np.asarray(a) - b).max() for a, b in zip(start, inside))
    assert moved > 1e-2
    assert max(np.abs(a - b).max() for a, b in zip(cached, inside)) < 2e-3 * moved


def test_an_epoch_that_is_continued_in_its_middle_is_given_the_same(tmp_path):
    stage = staged(config("memory", tmp_path, "pkt"))
    orders = Orders(stage.config, IMAGES, 2, stage.place, "main")
    whole, rest = (np.asarray(stage.foresight.given(orders.rows, 2, begun)[0].rows["teacher x"]) for begun in (0, 3))
    np.testing.assert_array_equal(whole[3:], rest[3:])
    assert not rest[:3].any()


def test_a_row_does_not_depend_on_its_place_or_its_neighbours(tmp_path):
    stage = staged(config("memory", tmp_path, "pkt"))
    numbers = np.arange(0, 44 * 50, 13)
    compute = lambda numbers: np.concatenate([*stage.foresight.filler.computed(("teacher", "x"), numbers)])
    whole = compute(numbers)
    np.testing.assert_array_equal(compute(numbers[::-1])[::-1], whole)
    np.testing.assert_array_equal(compute(numbers[70:73]), whole[70:73])


def test_what_is_computed_is_kept_piece_by_piece_and_when_the_run_is_stopped(tmp_path, monkeypatch):
    for name, value in (("chunk", lambda: 4), ("TOGETHER", 1), ("EVERY", 0)):
        monkeypatch.setattr(filler, name, value)
    stage, told = staged(config("disk", tmp_path, "pkt")), []

    def tell(done, wanted, seconds):
        told.append((done, wanted))
        if len(told) == 3:
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        stage.begin_epoch(1, True, tell)
    rows, piece = stage.foresight.rows["teacher", "x"], 4 * len(stage.place.devices)
    assert told == [(piece * n, 40) for n in (1, 2, 3)]
    assert len(rows) == 3 * piece and len(list(rows.folder.glob("*.rows"))) == 3
    stage.begin_epoch(1, True)
    assert (stage.foresight.found, stage.foresight.computed) == (3 * piece, 40 - 3 * piece)


@pytest.mark.parametrize(("name", "pairs", "left_out"), [
    ("kd", [("teacher", "x")], {}), ("crd", [("teacher", "x")], {}),
    ("fitnet", [], {("teacher", "x"): ["maps"]})])
def test_only_logits_and_embeddings_are_cached(tmp_path, name, pairs, left_out):
    foresight = staged(config("memory", tmp_path, name)).foresight
    assert (foresight.pairs, foresight.left_out) == (pairs, left_out)
    assert ("maps are looked at" in foresight.said()) == bool(left_out)


def test_a_teacher_that_normalises_by_the_batch_is_not_cached(tmp_path):
    c = config("memory", tmp_path, "pkt")
    c.teacher.batch_stats = "batch"
    assert staged(c).foresight.pairs == []


def test_nothing_is_kept_or_traced_when_it_is_off(tmp_path):
    stage = staged(config("off", tmp_path, "pkt"))
    stage.begin_epoch(1, fresh=True)
    assert stage.given[0].rows == {}
    assert stage.foresight.said() == ""
    assert list(tmp_path.iterdir()) == []


def test_another_teacher_other_data_or_another_view_is_another_cache(tmp_path):
    keys = [staged(c, teacher=teacher).foresight.rows["teacher", "x"].digest for c, teacher in (
        (config("memory", tmp_path, "pkt"), TEACHER),
        (config("memory", tmp_path, "pkt"), jax.tree.map(lambda x: x + 0, TEACHER)),
        (config("memory", tmp_path, "pkt"), jax.tree.map(lambda x: x * 1.0000001, TEACHER)),
        (config("memory", tmp_path, "pkt", crop=1), TEACHER),
        (config("memory", tmp_path, "pkt", padding="reflect"), TEACHER))]
    assert keys[0] == keys[1]
    assert len(set(keys[1:])) == 4
    assert fingerprint(TEACHER) == fingerprint(jax.tree.map(np.asarray, TEACHER))


def test_seeds_share_one_program(tmp_path):
    texts = []
    for seed in (0, 5):
        stage = staged(config("off", tmp_path, "pkt", seed=seed))
        stage.begin_epoch(1, fresh=True)
        texts.append(stage.compiled.lower(stage.state, stage.held.frozen, stage.held.train, stage.orders.held[0],
                                          stage.place.put_wish(False), stage.given[0]).as_text())
    assert texts[0] == texts[1]
