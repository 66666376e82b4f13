# SPDX-License-Identifier: Apache-2.0
"""Kafka's protocol by hand, for what no client would do: requests before flexible versions, on a plain connection."""
import socket
import struct


def text(s):
    return struct.pack(">h", len(s)) + s.encode()


def block(b):
    return struct.pack(">i", len(b)) + b


class Answer:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0]

    def text(self):
        n = max(self.take("h"), 0)
        self.at += n
        return self.data[self.at - n:self.at].decode()


class Connection:
    def __init__(self, address, seconds):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), seconds)
        self.stream = self.socket.makefile("rb")

    def call(self, api, version, body):
        request = struct.pack(">hhi", api, version, 1) + text("by-hand") + body
        self.socket.sendall(block(request))
        size = struct.unpack(">i", self.stream.read(4))[0]
        answer = Answer(self.stream.read(size))
        answer.take("i")  # the correlation id
        return answer
