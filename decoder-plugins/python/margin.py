#!/usr/bin/env python3
"""A decode strategy for a3 in one file of Python: Python 3.8 or newer, and grpcio.

It commits the blank at which the likeliest token is furthest ahead of the second, and all
others at which it is ahead by at least the parameter "least". Make the file executable:

    a3 plugins check ./margin.py
    a3 infill --strategy ./margin.py:least=0.8 stories.jsonl

There are no generated stubs: the few messages of decoder-plugins/proto/v1/strategy.proto
that a strategy needs are read and written below. Copy the file and change describe(),
configure() and decide(); the rest is the same for every strategy.
"""
import os
import struct
import sys
import threading
from concurrent import futures

import grpc

MARGIN = 5  # of enum Column: largest minus second largest probability
FLOAT = 2  # of enum Parameter.Kind
MAX_MESSAGE = 32 << 20

least = 0.5  # the parameter


def describe():
    """DescribeResponse: what the strategy is, and what the user may set."""
    parameter = text(1, "least") + number(2, FLOAT) + text(3, "0.5")
    parameter += text(4, "difference in probability that is clear") + double(5, 0) + double(6, 1)
    doc = "Commits tokens that are clearly ahead of the second best, written in Python."
    return text(1, "margin") + text(2, "1.0.0") + text(3, doc) + field(4, parameter)


def configure(parameters):
    """ConfigureResponse with a Spec: the column that is to be sent."""
    global least
    least = float(parameters.get("least", least))
    if not 0 <= least <= 1:
        raise ValueError("least is %s, want 0 to 1" % least)
    return field(1, number(1, MARGIN))


def decide(margins):
    """The rows of one document to commit, at least one."""
    best = max(range(len(margins)), key=lambda row: margins[row])  # the first of equals
    return [row for row, m in enumerate(margins) if row == best or m >= least]


def next_step(observation):
    """Observation -> Decision, for all documents of the batch. Columns are raw bytes."""
    o = dict(fields(observation))
    documents = len(o.get(1, b"")) // 8
    offset = column("i", o.get(4, b""))
    rows = offset[documents] if offset else 0
    positions = column("H" if len(o.get(5, b"")) == 2 * rows else "i", o.get(5, b""))
    margins = column("f", o.get(10, b""))
    commit, bounds = [], [0]
    for d in range(documents):
        start, end = offset[d], offset[d + 1]
        commit += [positions[start + row] for row in decide(margins[start:end])]
        bounds.append(len(commit))
    return field(1, pack("i", bounds)) + field(2, pack("i", commit))


# What follows does not depend on the strategy.

BEGIN, NEXT, END, VOCABULARY = 2, 4, 5, 6  # of Request.call
DONE, DECISION, ERROR = 2, 4, 5  # of Response.answer


def session(requests, context):
    """One request, one answer with the same batch id."""
    for message in requests:
        request = dict(fields(message))
        if NEXT in request:
            try:
                answer = field(DECISION, next_step(request[NEXT]))
            except Exception as error:  # a refusal; the session goes on
                answer = text(ERROR, repr(error))
        else:
            answer = field(DONE, b"")
        yield number(1, request[1]) + answer


def configure_call(message, context):
    parameters = {}
    for _, entry in fields(message):
        pair = dict(fields(entry))
        parameters[pair.get(1, b"").decode()] = pair.get(2, b"").decode()
    try:
        return configure(parameters)
    except ValueError as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(at, n):
    return varint(at << 3) + varint(n)


def double(at, x):
    return varint(at << 3 | 1) + struct.pack("<d", x)


def field(at, content):
    return varint(at << 3 | 2) + varint(len(content)) + content


def text(at, s):
    return field(at, s.encode())


def fields(message):
    """The fields of a message, as pairs of number and content."""

    def read(i):
        n, shift = 0, 0
        while True:
            byte = message[i]
            n |= (byte & 0x7F) << shift
            i, shift = i + 1, shift + 7
            if byte < 0x80:
                return n, i

    i = 0
    while i < len(message):
        tag, i = read(i)
        kind = tag & 7
        if kind == 0:
            content, i = read(i)
        else:
            size, i = {1: (8, i), 5: (4, i)}.get(kind) or read(i)
            content, i = message[i : i + size], i + size
        yield tag >> 3, content


def column(kind, raw):
    return struct.unpack("<%d%s" % (len(raw) // struct.calcsize(kind), kind), raw)


def pack(kind, values):
    return struct.pack("<%d%s" % (len(values), kind), *values)


def main():
    if os.environ.get("A3_STRATEGY_PLUGIN") != "6d7bb4ac0d2c4f5fb26a0d2f8f9a6a51":
        sys.exit("This is a decode strategy: a3 starts it, with --strategy " + sys.argv[0])
    if "1" not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", "1").split(","):
        sys.exit("This strategy speaks version 1 of the protocol, and this a3 does not")
    if os.environ.get("PLUGIN_CLIENT_CERT"):
        sys.exit("This strategy has no certificates: run it without mtls")
    handshake, sys.stdout = sys.stdout, sys.stderr  # what is printed must not reach the handshake

    shutdown = threading.Event()

    def unary(call):
        return grpc.unary_unary_rpc_method_handler(call)

    def stop(message, context):
        shutdown.set()
        return b""

    services = {
        "a3.strategy.v1.Strategy": {
            "Describe": unary(lambda message, context: describe()),
            "Configure": unary(configure_call),
            "Session": grpc.stream_stream_rpc_method_handler(session),
        },
        "grpc.health.v1.Health": {"Check": unary(lambda message, context: number(1, 1))},  # SERVING
        "plugin.GRPCController": {"Shutdown": unary(stop)},
    }
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)],
    )
    for name, methods in services.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    path = os.path.join(os.environ.get("PLUGIN_UNIX_SOCKET_DIR", "/tmp"), "plugin%d" % os.getpid())
    server.add_insecure_port("unix:" + path)
    server.start()
    handshake.write("1|1|unix|%s|grpc|\n" % path)
    handshake.flush()

    parent = os.getppid()
    while not shutdown.wait(0.5) and os.getppid() == parent:  # a host that died says nothing
        pass
    server.stop(0)
    os._exit(0)


if __name__ == "__main__":
    main()
