"""Reading Parquet files that may be damaged or hostile: only what was to be there is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# A file may grow to this many bytes in memory, and to so many times its own size.
GROWTH, AT_LEAST = 500, 2**26


def read_table(
    file: Path, schema: pa.Schema, columns: Sequence[str] | None = None, rows: int | None = None
) -> pa.Table:
    """Some columns of a Parquet file, or all.

    Args:
        file: the file.
        schema: the columns that the file must have.
        columns: names of those that are read.
        rows: number of rows that the file must have, if that is known.

    Raises:
        ValueError: it has other columns or another number of rows, takes too much memory, or is
            damaged.
    """
    names = list(schema.names if columns is None else columns)
    texts = [name for name in names if _varies(schema.field(name).type)]
    try:
        # Repeated texts stay what they are in the file until it is known how long they become.
        with pq.ParquetFile(file, read_dictionary=texts) as opened:
            _check_columns(opened.schema_arrow, schema)
            limit = AT_LEAST + GROWTH * file.stat().st_size
            _check_size(opened, limit)
            if rows is not None and opened.metadata.num_rows != rows:
                raise ValueError(f"{opened.metadata.num_rows} rows instead of {rows}")
            found = opened.read(names)
            if sum(map(_text_size, (found[name] for name in texts))) > limit:
                raise ValueError("too large")
            return found.cast(pa.schema([schema.field(name) for name in names]))
    except (pa.ArrowException, OSError, KeyError, OverflowError) as error:
        raise ValueError(str(error)) from error


def _check_columns(found: pa.Schema, wanted: pa.Schema) -> None:
    kinds = [_plain(field.type) for field in found]
    if found.names != wanted.names or kinds != [_plain(field.type) for field in wanted]:
        raise ValueError("other columns")


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without what differs between a table and the same table in a file."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return pa.list_(kind.value_type) if pa.types.is_list(kind) else kind


def _varies(kind: pa.DataType) -> bool:
    """Whether the values of a type may be of any length."""
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _check_size(file: pq.ParquetFile, limit: int) -> None:
    """Fail if the tables have more numbers, or the pages more bytes, than a file can have."""
    found = file.metadata
    widths = [max(8, file.schema.column(i).length) for i in range(found.num_columns)]
    size = 8 * found.num_rows
    for group in map(found.row_group, range(found.num_row_groups)):
        columns = zip(map(group.column, range(found.num_columns)), widths, strict=True)
        size += sum(max(c.total_uncompressed_size, width * c.num_values) for c, width in columns)
    if not 0 <= size <= limit:
        raise ValueError("too large")


def _text_size(column: pa.ChunkedArray) -> int:
    """How many bytes the texts of a column take when none stands for another."""
    return sum(
        pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
        for chunk in column.chunks
    )
