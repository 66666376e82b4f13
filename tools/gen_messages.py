#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the message tables of broker/messages into C structs and field tables.

usage: gen_messages.py OUT_DIR FILE.msg...     writes OUT_DIR/messages.h and .c

The codec itself is written once, by hand, in broker/codec.c; what comes out of
here is data for it: a struct per message and a row per field. The grammar, one
thing a line, `#` begins a comment:

    api KEY NAME                      the file's API; then `request`, `response`
    request VERSIONS [flexible N+]    a message; its fields are indented below
    message NAME VERSIONS [flexible N+]   a message that no API carries
    struct NAME                       a struct that several fields share
    FIELD: TYPE [VERSIONS] [tag N] [null [VERSIONS]] [= DEFAULT] [ignorable]

TYPE is bool int8 int16 uint16 int32 int64 string bytes records uuid, the name
of a struct whose fields follow (indented) or stand in a `struct`, or an array
of one of these in brackets. VERSIONS is `3`, `3+` or `3-5`; without it a field
exists whenever its parent does. `null` without versions: whenever the field
exists. Defaults are 0, false, empty, or what `=` says (null, max, min, a
number). A field that is not ignorable makes an encoder of a *request* fail when
it has a value and the version cannot carry it.
"""
import os
import re
import sys

OPEN = 127  # "and later"
SCALARS = {  # type -> C type, enum, bytes on the wire at least
    "bool": ("bool", "WR_F_BOOL", 1),
    "int8": ("int8_t", "WR_F_INT8", 1),
    "int16": ("int16_t", "WR_F_INT16", 2),
    "uint16": ("uint16_t", "WR_F_UINT16", 2),
    "int32": ("int32_t", "WR_F_INT32", 4),
    "int64": ("int64_t", "WR_F_INT64", 8),
    "uuid": ("struct wr_uuid", "WR_F_UUID", 16),
    "string": ("struct weir_bytes", "WR_F_STRING", 1),
    "bytes": ("struct weir_bytes", "WR_F_BYTES", 1),
    "records": ("struct weir_bytes", "WR_F_RECORDS", 1),
}
LIMITS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


class Bad(Exception):
    """A table that does not parse; says where."""


class Field:
    """One line of a table."""

    def __init__(self, name):
        self.name = name
        self.type = ""
        self.array = False
        self.since, self.until = 0, OPEN
        self.null_since, self.null_until = OPEN, -1
        self.tag = -1
        self.default = 0
        self.null_default = False
        self.ignorable = False
        self.struct = None


class Struct:
    """A group of fields that becomes one C struct."""

    def __init__(self, name):
        self.name = name
        self.fields = []


class Message:
    """A request, a response or a record."""

    def __init__(self, cname, low, high, flexible):
        self.cname = cname
        self.low, self.high, self.flexible = low, high, flexible
        self.structs = []  # in the order C needs: leaves first
        self.shared = {}
        self.root = Struct(cname)


def versions(text, where):
    m = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not m:
        raise Bad(f"{where}: versions {text!r}: want N, N+ or N-M")
    low = int(m[1])
    return low, OPEN if m[2] == "+" else int(m[3] or low)


def parse_default(field, text, where):
    if text == "null":
        field.null_default = True
    elif text in ("true", "false"):
        field.default = int(text == "true")
    elif text in ("min", "max"):
        field.default = LIMITS[field.type][text == "max"]
    elif re.fullmatch(r"-?\d+", text):
        field.default = int(text)
    elif text != '""':
        raise Bad(f"{where}: default {text!r}")


def parse_field(words, where):
    field = Field(words[0][:-1])
    kind = words[1]
    field.array = kind.startswith("[")
    field.type = kind.strip("[]")
    rest = words[2:]
    if rest and rest[0][0].isdigit():
        field.since, field.until = versions(rest.pop(0), where)
    while rest:
        word = rest.pop(0)
        if word == "tag":
            field.tag = int(rest.pop(0))
        elif word == "null":
            field.null_since, field.null_until = field.since, field.until
            if rest and rest[0][0].isdigit():
                span = versions(rest.pop(0), where)
                field.null_since, field.null_until = span
        elif word == "=":
            parse_default(field, rest.pop(0), where)
        elif word == "ignorable":
            field.ignorable = True
        else:
            raise Bad(f"{where}: {word!r} means nothing here")
    return field


def parse_head(words, where):
    low, high = versions(words[0], where)
    flexible = OPEN
    if len(words) == 3 and words[1] == "flexible":
        flexible = versions(words[2], where)[0]
    elif len(words) != 1:
        raise Bad(f"{where}: want VERSIONS [flexible N+]")
    return low, high, flexible


class Tables:
    """Everything that the files say."""

    def __init__(self):
        self.apis = []  # (key, name, [request, response])
        self.messages = []

    def read(self, path):
        self.stack = []  # (indent, struct)
        self.message = None
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                where = f"{os.path.basename(path)}:{number}"
                text = line.split("#")[0].rstrip()
                if text:
                    indent = len(text) - len(text.lstrip())
                    self.line(indent, text.split(), where)

    def line(self, indent, words, where):
        if words[0] == "api" and len(words) == 3:
            self.apis.append((int(words[1]), words[2], []))
        elif words[0] in ("request", "response"):
            name = f"{self.apis[-1][1]}_{words[0]}"
            self.begin(name, words[1:], where)
            self.apis[-1][2].append(self.message)
        elif words[0] == "message":
            self.begin(words[1], words[2:], where)
        elif words[0] == "struct" and len(words) == 2:
            self.pop(indent, where)
            struct = self.new_struct(words[1], where)
            self.message.shared[words[1]] = struct
            self.stack.append((indent, struct))
        elif len(words) >= 2 and words[0].endswith(":"):
            self.field(indent, words, where)
        else:
            raise Bad(f"{where}: cannot read this line")

    def begin(self, name, words, where):
        low, high, flexible = parse_head(words, where)
        self.message = Message(name, low, high, flexible)
        self.messages.append(self.message)
        self.stack = [(0, self.message.root)]

    def pop(self, indent, where):
        while self.stack and self.stack[-1][0] >= indent:
            self.stack.pop()
        if not self.stack:
            raise Bad(f"{where}: this line belongs to nothing")

    def new_struct(self, name, where):
        cname = f"{self.message.cname}_{name}"
        if any(s.name == cname for s in self.message.structs):
            raise Bad(f"{where}: struct {name} exists already")
        struct = Struct(cname)
        self.message.structs.append(struct)
        return struct

    def field(self, indent, words, where):
        self.pop(indent, where)
        field = parse_field(words, where)
        owner = self.stack[-1][1]
        if any(f.name == field.name for f in owner.fields):
            raise Bad(f"{where}: field {field.name} exists already")
        owner.fields.append(field)
        if field.type in SCALARS:
            return
        field.struct = self.message.shared.get(field.type)
        if not field.struct:
            field.struct = self.new_struct(field.type, where)
            self.stack.append((indent, field.struct))


def is_pointer(field):
    """A single struct that may be null is a pointer, any other is inside."""
    return field.struct and not field.array and field.null_until >= 0


def c_member(field):
    kind = (f"struct wr_{field.struct.name}" if field.struct
            else SCALARS[field.type][0])
    if field.array:
        return f"    {kind} *{field.name};\n    int32_t {field.name}_count;"
    return f"    {kind} {'*' if is_pointer(field) else ''}{field.name};"


def ordered(message):
    """Structs so that what is inside another comes before it."""
    done = []

    def visit(struct):
        if struct in done:
            return
        for field in struct.fields:
            if field.struct:
                visit(field.struct)
        done.append(struct)

    visit(message.root)
    return done


def wire_min(struct, message):
    """Fewest bytes that a struct takes, in any version of its message."""
    total = 0
    for f in struct.fields:
        always = f.since <= message.low and f.until >= message.high
        if f.tag >= 0 or not always:
            continue
        if f.array or not f.struct:
            total += 1 if f.array else SCALARS[f.type][2]
        elif not is_pointer(f):
            total += wire_min(f.struct, message)
        else:
            total += 1
    return max(total, 1)


def field_row(struct, f):
    flags = [flag for on, flag in (
        (f.array, "WR_FIELD_ARRAY"),
        (f.null_default, "WR_FIELD_NULL"),
        (is_pointer(f), "WR_FIELD_POINTER"),
        (not f.ignorable, "WR_FIELD_STRICT")) if on]
    owner = f"struct wr_{struct.name}"
    count = f"offsetof({owner}, {f.name}_count)" if f.array else "0"
    layout = f"&layout_{f.struct.name}" if f.struct else "NULL"
    kind = "WR_F_STRUCT" if f.struct else SCALARS[f.type][1]
    low = "INT64_MIN" if f.default == -(2**63) else f"INT64_C({f.default})"
    return (f'    {{"{f.name}", {kind}, {" | ".join(flags) or "0"}, {f.since}, '
            f"{f.until}, {f.null_since}, {f.null_until}, {f.tag},\n"
            f"     offsetof({owner}, {f.name}), {count}, {layout}, {low}}},")


def header(tables):
    out = ["/* Made by tools/gen_messages.py from broker/messages; do not edit. */",
           "#ifndef WEIR_BROKER_MESSAGES_H", "#define WEIR_BROKER_MESSAGES_H", "",
           '#include "broker/codec.h"', ""]
    out += ["enum wr_api_key {"]
    out += [f"    WR_API_{name.upper()} = {key}," for key, name, _ in tables.apis]
    out += ["};", f"#define WR_API_COUNT {len(tables.apis)}", ""]
    for message in tables.messages:
        for struct in ordered(message):
            out.append(f"struct wr_{struct.name} {{")
            out += [c_member(f) for f in struct.fields]
            out += ["};"]
        name = message.cname
        out += [
            f"extern const struct wr_message wr_{name}_message;",
            f"static inline void wr_{name}_init(struct wr_{name} *out)",
            "{", f"    wr_message_init(&wr_{name}_message, out);", "}",
            "WEIR_MUST_CHECK static inline enum weir_status",
            f"wr_{name}_decode(struct wr_{name} *out, struct wr_reader *r,",
            "    int16_t version, struct wr_arena *arena)", "{",
            f"    return wr_message_decode(&wr_{name}_message, out, r, version,",
            "                             arena);", "}",
            f"static inline void wr_{name}_encode(const struct wr_{name} *in,",
            "    struct wr_buf *out, int16_t version)", "{",
            f"    wr_message_encode(&wr_{name}_message, in, out, version, NULL);",
            "}", ""]
    out += ["/** All APIs that weir has tables for, by rising key. */",
            "extern const struct wr_api_messages wr_api_messages[WR_API_COUNT];",
            "/** Every message, for tests and fuzzers. */",
            f"#define WR_MESSAGE_COUNT {len(tables.messages)}",
            "extern const struct wr_message *const",
            "    wr_all_messages[WR_MESSAGE_COUNT];", "", "#endif", ""]
    return "\n".join(out)


def source(tables):
    out = ["/* Made by tools/gen_messages.py from broker/messages; do not edit. */",
           '#include "broker/messages.h"', ""]
    for message in tables.messages:
        for struct in ordered(message):
            name = struct.name
            out.append(f"static const struct wr_field fields_{name}[] = {{")
            out += [field_row(struct, f) for f in struct.fields]
            out += ["};",
                    f"static const struct wr_message_layout layout_{name} = {{",
                    f"    fields_{name}, {len(struct.fields)},",
                    f"    sizeof(struct wr_{name}),",
                    f"    {wire_min(struct, message)}}};"]
        name = message.cname
        out += [f"const struct wr_message wr_{name}_message = {{",
                f'    "{name}", &layout_{name}, {message.low}, {message.high},',
                f"    {message.flexible}, {str(name.endswith('_request')).lower()}}};",
                ""]
    out += ["const struct wr_api_messages wr_api_messages[WR_API_COUNT] = {"]
    for key, name, pair in tables.apis:
        out.append(f'    {{{key}, "{name}", &wr_{pair[0].cname}_message,')
        out.append(f"     &wr_{pair[1].cname}_message}},")
    out += ["};", "",
            "const struct wr_message *const wr_all_messages[WR_MESSAGE_COUNT] = {"]
    out += [f"    &wr_{m.cname}_message," for m in tables.messages]
    out += ["};", ""]
    return "\n".join(out)


def write(path, text):
    """Leaves an unchanged file alone, so that nothing is rebuilt for it."""
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                os.utime(path)
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    tables = Tables()
    try:
        for path in sorted(sys.argv[2:]):
            tables.read(path)
    except Bad as bad:
        sys.exit(f"gen_messages.py: {bad}")
    tables.apis.sort(key=lambda api: api[0])
    os.makedirs(sys.argv[1], exist_ok=True)
    write(os.path.join(sys.argv[1], "messages.h"), header(tables))
    write(os.path.join(sys.argv[1], "messages.c"), source(tables))


if __name__ == "__main__":
    main()
