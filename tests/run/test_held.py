"""What is kept on the devices must fit them."""
import types

import numpy as np
import pytest

from kdjax.data.types import Dataset, Split
from kdjax.errors import UserError
from kdjax.run.held import check_room

SPLIT = Split(np.zeros((10, 4, 4, 3), np.uint8), np.zeros(10, np.int32))    # 520 bytes
DATA = Dataset("large", SPLIT, SPLIT, None, 2, 4, (0.5,) * 3, (0.5,) * 3)


def device(stats):
    return types.SimpleNamespace(memory_stats=lambda: stats, process_index=0)


def test_data_larger_than_the_smallest_device_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="large takes .* GB, more than .* use smaller images"):
        check_room(DATA, [device({"bytes_limit": 2000}), device({"bytes_limit": 1039})])


@pytest.mark.parametrize("stats", [None, {}, {"bytes_limit": 1040}])
def test_data_that_fit_and_devices_that_do_not_tell_pass(stats):
    check_room(DATA, [device(stats)])
