"""Several processes save once and agree on what is good."""

import os
import socket
import subprocess
import sys

from tests.run.checkpoints import ROOT

TWO_PROCESSES = """
import sys, jax, numpy as np
rank, folder, port = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.distributed.initialize("localhost:" + port, 2, rank)
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec as P
from kdjax.errors import UserError
from kdjax.run.checkpoints import RunCheckpoints
rows = np.arange(16, dtype=np.float32).reshape(8, 2)
mesh = jax.make_mesh((2,), ("batch",))
spread, copied = (jax.make_array_from_callback(rows.shape, NamedSharding(mesh, spec), lambda i: rows[i])
                  for spec in (P("batch"), P()))
checkpoints = RunCheckpoints(folder)
for step in range(3):
    checkpoints.save(step, {"spread": spread, "copied": copied, "none": {}}, {"step": step}, best=step)
step, tree, meta = checkpoints.restore()
assert (step, meta) == (2, {"step": 2}) and (tree["spread"] == rows).all() and (tree["copied"] == rows).all()
multihost_utils.sync_global_devices("read")
if rank == 0:
    open(folder + "/2/MANIFEST", "ab").write(b"x")
assert checkpoints.restore()[0] == 1
try:
    RunCheckpoints("/dev/null/no").save(1, {"x": 1}, {})
except UserError as error:
    print("fine", error)
"""


def test_two_processes_save_once_and_agree_on_what_is_good(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    both = [subprocess.Popen([sys.executable, "-c", TWO_PROCESSES, str(rank), str(tmp_path), port], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) for rank in (0, 1)]
    try:
        for rank, (out, err) in enumerate([child.communicate(timeout=120) for child in both]):
            assert "fine" in out, err[-2000:]
            assert "damaged" not in err or rank == 0
    finally:
        for child in both:
            child.kill()
    assert sorted(os.listdir(tmp_path)) == ["1", "damaged"]
