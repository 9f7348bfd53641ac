# Writes produced.arrows: what a producer that uses pyarrow sends as the value of a record.
import sys
import pyarrow as pa

blank = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("tokens", pa.int32())])
table = pa.table({
    "id": pa.array(["a", "b"]),
    "text": pa.array(["Once {{blank:4}} there was a {{blank}}.", "Once upon a time."]),
    "blanks": pa.array([None, [{"start": 5, "end": 9, "tokens": 4}]], pa.list_(blank)),
    "source": pa.array(["made up", None], pa.large_string()),
    "weight": pa.array([0.5, None], pa.float32()),
})
with pa.OSFile(sys.argv[1], "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
    writer.write_table(table)
