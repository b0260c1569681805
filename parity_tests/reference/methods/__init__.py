"""Every method by the name kdjax gives it (and the names of its memory variants); the originals' flags as aliases."""
from parity_tests.reference.methods.base import Context, Method, Shapes, Stage
from parity_tests.reference.methods.heads import CATKD, SDD
from parity_tests.reference.methods.levels import OFD, ReviewKD
from parity_tests.reference.methods.logits import CTKD, DIST, DKD, KD, LSKD, MLKD, NKD, RLD, TTM, WSLD, WTTM
from parity_tests.reference.methods.maps import AT, ICKD, KDSVD, NST, SP, VID, FitNet, SemCKD, SimKD
from parity_tests.reference.methods.memory import CRD, RRD, CRDQueue, RRDMomentum
from parity_tests.reference.methods.two_stage import AB, FSP, FT
from parity_tests.reference.methods.vectors import CC, DCD, EGA, ITRD, KDPP, PKT, RKD, SRRL

__all__ = ["ALIASES", "METHODS", "Context", "Method", "Shapes", "Stage", "build"]

METHODS = {
    "kd": KD, "fitnet": FitNet, "at": AT, "sp": SP, "cc": CC, "vid": VID, "rkd": RKD, "pkt": PKT, "ab": AB, "ft": FT,
    "fsp": FSP, "nst": NST, "kdsvd": KDSVD, "crd": CRD, "crd_fifo": CRDQueue, "itrd": ITRD, "ickd": ICKD, "dcd": DCD,
    "rrd": RRD, "rrd_momentum": RRDMomentum, "ega": EGA, "wsld": WSLD, "dkd": DKD, "semckd": SemCKD, "srrl": SRRL,
    "simkd": SimKD, "ofd": OFD, "reviewkd": ReviewKD, "dist": DIST, "lskd": LSKD, "mlkd": MLKD, "cat_kd": CATKD,
    "ctkd": CTKD, "nkd": NKD, "ttm": TTM, "wttm": WTTM, "sdd": SDD, "kdpp": KDPP, "rld": RLD,
}
ALIASES = {"hint": "fitnet", "attention": "at", "similarity": "sp", "correlation": "cc", "abound": "ab", "factor": "ft"}


def build(name: str, student: Shapes, teacher: Shapes, **options) -> Method:
    """A float64 method for a pair of networks."""
    return METHODS[ALIASES.get(name, name)](student, teacher, **options)
