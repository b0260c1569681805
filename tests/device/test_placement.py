"""One step for any number of devices: judged on the figures that devices_program.py measures on 8 forced devices."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXACT = 1e-12  # float64: the order of sums alone differs


@pytest.fixture(scope="module")
def measured():
    # Unoptimised code compiles in half the time, and the networks are tiny.
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    env = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, ROOT / "tests" / "device" / "devices_program.py"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def small(figures):
    return max(figures.values()) < EXACT


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["2", "4", "8"])
def test_the_result_does_not_depend_on_the_device_count(measured, devices):
    assert small(measured["jit"][devices]), measured["jit"]
    assert measured["learned"] > 1e-3


@pytest.mark.slow
def test_losses_that_couple_a_batch_and_a_memory_were_among_them(measured):
    coupled = {"sp", "rkd", "pkt", "nst", "cc", "crd", "itrd.correlation", "itrd.mutual"}
    assert coupled <= set(measured["terms"])


@pytest.mark.slow
def test_a_pre_stage_does_not_depend_on_the_device_count(measured):
    assert small(measured["pre_stage"]), measured["pre_stage"]


@pytest.mark.slow
def test_replicas_equal_torch_replicas_with_averaged_gradients(measured):
    assert small(measured["replicas_as_torch"]), measured["replicas_as_torch"]


@pytest.mark.slow
def test_one_replica_equals_torch_on_the_whole_batch(measured):
    assert small(measured["whole_as_torch"]), measured["whole_as_torch"]


@pytest.mark.slow
def test_replicas_compute_something_else_than_the_whole_batch(measured):
    assert measured["replicas_against_whole"]["losses"] > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("where", ["replicas_on_4_devices", "replicas_on_2_devices"])
def test_replicas_do_not_depend_on_the_device_count(measured, where):
    assert small(measured[where]), measured[where]


@pytest.mark.slow
def test_pmap_equals_jit_with_as_many_replicas(measured):
    assert small(measured["pmap_as_replicas"]), measured["pmap_as_replicas"]
    assert small(measured["pmap_with_a_last_batch"]), measured["pmap_with_a_last_batch"]


@pytest.mark.slow
@pytest.mark.parametrize("run", ["jit 1", "jit 8", "replicas 4", "pmap 4", "pre-stage 4"])
def test_after_the_first_step_nothing_is_compiled_moved_or_allocated_anew(measured, run):
    """The steps after the first ran under jax.transfer_guard("disallow") as well."""
    served = measured["served"][run]
    assert served["recompiled"] == 0
    assert served["same_layout"]
    assert served["reused"] == 1.0
    assert served["warnings"] == []


@pytest.mark.slow
def test_donating_the_state_leaves_the_host_arrays_it_came_from_alone(measured):
    assert measured["aliasing"] == 0


@pytest.mark.slow
def test_every_form_of_a_convolution_and_batch_norm_are_the_same_over_eight_devices(measured):
    assert measured["forms"] < EXACT


@pytest.mark.slow
def test_cached_outputs_of_the_teacher_train_the_same_on_any_number_of_devices(measured):
    assert small(measured["cached"]), measured["cached"]


@pytest.mark.slow
def test_a_run_takes_the_most_devices_that_divide_its_batches(measured):
    assert measured["chosen"] == {"batch 64": 8, "batch 30": 3, "batch 7": 1, "a tail of 4": 4, "a tail dropped": 8,
                                  "replicas": 2, "asked": 2}


@pytest.mark.slow
def test_bfloat16_trains_beside_float64(measured):
    assert 0 < measured["bfloat16"] < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("case", "says"), [
    ("batch over devices", "config.data.batch_size=16 does not divide over the 3 devices"),
    ("batch over replicas", "config.data.batch_size=16 does not divide into config.replicas=5"),
    ("replicas over devices", "config.replicas=4 must be 1 or a multiple of the 8 devices"),
    ("more devices than there are", "config.devices=9 but there are 8"),
    ("unknown mode", "'magic' is not a mode"),
    ("replicas with pmap", "leave config.replicas at 1"),
    ("memory with replicas", "crd keeps a memory"),
    ("memory with pmap", "crd keeps a memory"),
    ("last batch", "config.data.drop_last=True"),
])
def test_what_cannot_work_is_refused_with_a_sentence(measured, case, says):
    assert says in measured["refusals"][case]
