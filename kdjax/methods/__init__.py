"""The methods, by name. A new one is a file here, a config in configs/, and a line in METHODS."""
from __future__ import annotations

import difflib
import importlib

from kdjax.errors import UserError
from kdjax.methods.ab import AB
from kdjax.methods.at import AT
from kdjax.methods.base import Adapt, Method, Stage
from kdjax.methods.cat_kd import CATKD
from kdjax.methods.cc import CC
from kdjax.methods.crd import CRD
from kdjax.methods.ctkd import CTKD
from kdjax.methods.dcd import DCD
from kdjax.methods.dist import DIST
from kdjax.methods.dkd import DKD
from kdjax.methods.ega import EGA
from kdjax.methods.fitnet import FitNet
from kdjax.methods.fsp import FSP
from kdjax.methods.ft import FT
from kdjax.methods.ickd import ICKD
from kdjax.methods.itrd import ITRD
from kdjax.methods.kd import KD, Vanilla
from kdjax.methods.kdpp import KDPP
from kdjax.methods.kdsvd import KDSVD
from kdjax.methods.lskd import LSKD
from kdjax.methods.mlkd import MLKD
from kdjax.methods.nkd import NKD
from kdjax.methods.nst import NST
from kdjax.methods.ofd import OFD
from kdjax.methods.pkt import PKT
from kdjax.methods.proto import Proto
from kdjax.methods.reviewkd import ReviewKD
from kdjax.methods.rkd import RKD
from kdjax.methods.rld import RLD
from kdjax.methods.rrd import RRD
from kdjax.methods.sdd import SDD
from kdjax.methods.semckd import SemCKD
from kdjax.methods.simkd import SimKD
from kdjax.methods.sp import SP
from kdjax.methods.srrl import SRRL
from kdjax.methods.ttm import TTM, WTTM
from kdjax.methods.vid import VID
from kdjax.methods.wsld import WSLD

__all__ = ["ALIASES", "METHODS", "Adapt", "Method", "Stage", "build", "canonical", "chosen", "find"]

METHODS: dict[str, type[Method]] = {method.name: method for method in (
    Vanilla, KD, FitNet, AT, SP, CC, VID, RKD, PKT, AB, FT, FSP, NST, KDSVD, CRD, ITRD, ICKD, DCD, RRD, EGA, WSLD, DKD,
    SemCKD, SRRL, SimKD, OFD, ReviewKD, DIST, LSKD, MLKD, CATKD, CTKD, NKD, TTM, WTTM, SDD, KDPP, RLD,
    Proto)}

ALIASES = {  # the flags of the original programs
    "hint": "fitnet", "attention": "at", "similarity": "sp", "correlation": "cc", "abound": "ab", "factor": "ft",
    "icd": "dcd", "rcd": "rrd",
}


def canonical(name: str) -> str:
    """A method's own name for a name or an alias ("package.module:Class" stays); a UserError shows the near ones."""
    name = ALIASES.get(name, name)
    if name in METHODS or ":" in name:
        return name
    near = difflib.get_close_matches(name, [*METHODS, *ALIASES], n=3, cutoff=0.3)
    raise UserError(f"unknown method {name!r}; did you mean {', '.join(near) or 'one of ' + ', '.join(METHODS)}? "
                    f"`python -m kdjax.main --list` shows all")


def find(name: str) -> type[Method]:
    """The class of a method: of the table, or the user's own "package.module:Class"."""
    if ":" not in name:
        return METHODS[canonical(name)]
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"config.method.name={name!r} cannot be imported ({error}); "
                        f"give package.module:Class") from None
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise UserError(f"{name} is not a kdjax.methods.Method; derive it from that class")
    return found


def chosen(config) -> dict[str, float]:
    """Names and weights of the methods a config asks for: method.names with method.weights, or method.name alone.

    Before them what takes the KL divergence's place (loss.kd_kind), with weight 1.
    """
    names = [canonical(n) for n in (config.method.names or (config.method.name,))]
    weights = [float(w) for w in config.method.weights] or [1.0] * len(names)
    if len(weights) != len(names) or len(set(names)) != len(names):
        raise UserError(f"config.method.weights has {len(weights)} entries for the methods {names}; "
                        f"give every method once, with one weight each")
    instead = {} if config.loss.kd_kind == "kl" else {config.loss.kd_kind: 1.0}
    return instead | dict(zip(names, weights))


def build(config, student, teacher) -> dict[str, Method]:
    """The config's methods for a pair of networks (teacher may be None for `vanilla`)."""
    classes = {name: find(name) for name in chosen(config)}
    needy = [name for name, method in classes.items() if method.needs_teacher and teacher is None]
    if needy:
        raise UserError(f"method {needy[0]!r} needs a teacher; set config.teacher.checkpoint to a converted folder or "
                        f"a .pth file")
    return {name: method(student, teacher, config) for name, method in classes.items()}
