"""What a run is called, how long it lasts, what it writes, where it computes."""
import math

from kdjax.config.field import HUGE, TINY, Field

FIELDS = {
    "seed": Field(0, "all of a run's randomness", flags=("--seed",)),
    "program": Field("distil", "what is done: `distil`, `double_student`, `pretext` or `probe`",
                     choices=("distil", "double_student", "pretext", "probe")),
    "experiment.name": Field("", "folder name under `runs/`; empty: made from method, networks, data and seed",
                             may_change="always"),
    "experiment.workdir": Field("", "the run's folder (`--workdir`)", may_change="always",
                                flags=("--state-dict-path",)),
    "experiment.trial": Field(0, "a number to tell repeated runs apart; part of the folder's name",
                              flags=("--trial", "-t")),
    "experiment.compare": Field(False, "also train the same student without a teacher and show the difference",
                                may_change="always"),
    "train.epochs": Field(240, "passes over the data", low=1, may_change="unless the rate depends on the length",
                          flags=("--epochs", "--max-epochs")),
    "train.steps": Field(0, "stop after so many steps instead; the schedule spans them",
                         may_change="unless the rate depends on the length"),
    "train.steps_per_call": Field(1, "steps that one call to the devices computes: more where a step is as short as "
                                  "its dispatch", low=1, high=64, may_change="always"),
    "train.init_epochs": Field(30, "length of each pre-stage (ab, ft, fsp)", flags=("--init_epochs",)),
    "train.init_lr": Field(None, "rate of the pre-stages; None: the method's own", kind=float, low=TINY, high=math.inf),
    "train.dtype": Field("float32", "compute of the networks: `float32`, `bfloat16`, `float64`",
                         choices=("float32", "bfloat16", "float64")),
    "train.on_nan": Field("stop", "`stop`, or `skip` steps whose loss or gradient is not finite",
                          choices=("stop", "skip"), may_change="always"),  # a run that stopped at a NaN may go on
    "train.deterministic": Field(False, "bit-identical results on a GPU, slower", may_change="always",
                                 flags=("--deterministic",)),
    "log.every_steps": Field(100, "how often the counters are fetched", low=1, may_change="always",
                             flags=("--print_freq",)),
    "log.tensorboard": Field(True, "also write the scalars for TensorBoard", may_change="always"),
    "log.wandb": Field("", "project of Weights & Biases that gets the same scalars; empty: none", may_change="always"),
    "log.plots": Field(True, "draw the curves of loss and accuracy at the end", may_change="always"),
    "checkpoint.every_epochs": Field(1, "how often the state is saved; the last epoch's always is", low=1,
                                     may_change="always", flags=("--save_freq",)),
    "checkpoint.keep": Field(2, "how many of the newest are kept, besides the best", low=1, may_change="always"),
    "replicas": Field(1, "compute as so many DistributedDataParallel workers would", low=1),
    "parallel": Field("jit", "`jit`: global batch; `pmap`: one replica a device", choices=("jit", "pmap")),
    "devices": Field(0, "use the first so many; 0: all", may_change="under jit"),
    "distributed.coordinator": Field("", "address of process 0, for several processes", may_change="under jit"),
    "distributed.num_processes": Field(0, "how many processes there are; 0: what the cluster says",
                                       may_change="under jit"),
    "distributed.process_id": Field(-1, "this one's number, from 0; -1: what the cluster says", low=-HUGE,
                                    may_change="under jit"),
}
