"""Only a table that keeps its contract passes from one room to the next."""

from __future__ import annotations

import pandas as pd
import pytest

from geo_service.errors import SchemaError
from geo_service.schema import RECORD_COLUMNS, as_columns, check_records


@pytest.fixture
def frame() -> pd.DataFrame:
    values = {"id": ["a", "b"], "name": ["Café", "Haus"], "source_line": [2, 3]}
    return as_columns(values, RECORD_COLUMNS)


def test_table_that_keeps_its_contract_passes(frame: pd.DataFrame) -> None:
    assert check_records(frame) is frame


def test_empty_text_is_refused_wherever_it_stands(frame: pd.DataFrame) -> None:
    texts = [name for name, dtype in RECORD_COLUMNS.items() if dtype == "str" and name != "id"]
    for name in texts:
        changed = frame.assign(**{name: pd.array(["x", ""], dtype="str")})
        with pytest.raises(SchemaError, match=rf"Records\.{name}: expected missing for unknown"):
            check_records(changed)


def test_column_of_another_type_is_refused_by_its_name(frame: pd.DataFrame) -> None:
    for name, dtype in RECORD_COLUMNS.items():
        other = [1, 2] if dtype == "str" else ["1", "2"]
        with pytest.raises(SchemaError, match=rf"Records\.{name}: expected {dtype}, got"):
            check_records(frame.assign(**{name: other}))


def test_other_columns_and_another_index_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(SchemaError, match="expected columns"):
        check_records(frame[frame.columns[::-1]])
    with pytest.raises(SchemaError, match="expected columns"):
        check_records(frame.assign(more=1))
    with pytest.raises(SchemaError, match=r"index 0\.\.1"):
        check_records(frame.set_index(pd.Index([1, 0])))
