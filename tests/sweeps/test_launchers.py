"""SLURM through submitit's local executor, and a Ray cluster of two nodes, with programs of milliseconds."""
import importlib.util
import threading
import time

import pytest

from kdjax.errors import UserError
from kdjax.sweeps import raycluster, slurm
from tests.sweeps.conftest import attempts

needs = lambda package: pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not here")


@needs("submitit")
@pytest.mark.slow
def test_submitit_runs_retries_and_reports_as_processes_do(job, sweep, tmp_path):
    launcher = slurm.Slurm(tmp_path, 2, {"cluster": "local"})
    killed = job("killed", "os.kill(os.getpid(), signal.SIGKILL) if attempt < 2 else None")
    jobs = [job("a"), job("bad", "print('error: no'); sys.exit(2)"), killed]
    status, said = sweep(jobs, launcher)
    assert status == 1 and [j.state for j in jobs] == ["finished", "failed", "finished"]
    assert "bad: error: no" in said and attempts(killed) == 2


@needs("submitit")
def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="SLURM cannot be used"):
        slurm.Slurm(tmp_path, 1, {"cluster": "slurm", "nonsense": "1"})


@pytest.fixture
def two_nodes(monkeypatch):
    """A Ray cluster of two nodes of one core on this machine; returns it and its second node."""
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    from ray.cluster_utils import Cluster
    small = dict(num_cpus=1, object_store_memory=80 << 20, include_dashboard=False)
    cluster = Cluster(initialize_head=True, head_node_args=small)
    second = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    cluster.wait_for_nodes()
    yield cluster, second
    import ray
    ray.shutdown()
    cluster.shutdown()


@needs("ray")
@pytest.mark.slow
def test_a_run_whose_ray_node_is_lost_continues_on_another(job, sweep, tmp_path, two_nodes):
    cluster, second = two_nodes
    launcher = raycluster.Cluster(tmp_path, 2, {"address": cluster.address})
    assert "2 Ray nodes" in launcher.what
    body = "time.sleep(20) if attempt == 1 else None"
    jobs = [job("a", body), job("b", body), job("c")]

    def strike():
        while attempts(jobs[0]) + attempts(jobs[1]) < 2:
            time.sleep(0.1)
        cluster.remove_node(second, allow_graceful=False)
        for one in jobs[:2]:
            (one.folder / "attempts").write_text("x" * 5)
    threading.Thread(target=strike, daemon=True).start()
    status, said = sweep(jobs, launcher)
    launcher.close()
    assert status == 0 and all(j.state == "finished" for j in jobs)
    assert sum(j.attempts for j in jobs[:2]) == 3 and said.count("killed") == 1
