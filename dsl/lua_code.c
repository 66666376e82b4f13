/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytecode of Lua 5.4, as lua_dump writes it:
 *
 *   header      ESC "Lua", version 0x54, format 0, 6 bytes against corruption,
 *               sizes of instruction, integer and number, one of each, count of
 *               upvalues
 *   function    source, lines, parameters, code, constants, upvalues, functions
 *               within, debug information: lines, locals, names of upvalues
 *
 * Sizes are base 128, the last byte marked by 0x80, most significant first; a
 * text is its size plus one, then its bytes. Of the 83 instructions seven
 * matter here. */
#include "dsl/lua_code.h"

#include <lua.h>
#include <stdlib.h>

#define DEPTH_MAX 100     /* of functions within functions */
#define COUNT_MAX 1000000 /* of anything in a function */

/* Opcodes, and the fields of an instruction: 7 bits opcode, 8 A, 1 k, 8 B, 8 C.
 */
enum {
    OP_GETUPVAL = 9,
    OP_SETUPVAL = 10,
    OP_GETTABUP = 11,
    OP_SETTABUP = 15,
    OP_SETTABLE = 16,
    OP_SETI = 17,
    OP_SETFIELD = 18
};

static unsigned opcode(uint32_t i)
{
    return i & 0x7f;
}
static unsigned field_a(uint32_t i)
{
    return i >> 7 & 0xff;
}
static unsigned field_b(uint32_t i)
{
    return i >> 16 & 0xff;
}
static unsigned field_c(uint32_t i)
{
    return i >> 24;
}

struct function {
    int line;
    uint32_t *code;
    size_t code_count;
    char **constants; /* texts; NULL for others */
    size_t constant_count;
    int8_t *lines; /* difference per instruction; -128: see absolute */
    size_t line_count;
    int *absolute; /* pairs: instruction, line */
    size_t absolute_count;
    char **upvalues;
    size_t upvalue_count;
    bool *is_global_local; /* per upvalue: a local of the script's own chunk */
};

struct walk {
    struct wr_reader reader;
    wr_lua_fact_fn fn;
    void *user;
    int depth;
    bool failed;
};

/* ---- reading ------------------------------------------------------------- */

static size_t read_size(struct walk *w)
{
    uint64_t size = 0;
    for (int i = 0; i < WR_VARINT_MAX; i++) {
        uint8_t byte = (uint8_t)wr_read_i8(&w->reader);
        size = size << 7 | (byte & 0x7f);
        if (byte & 0x80) {
            return (size_t)size;
        }
    }
    w->failed = true;
    return 0;
}

/* A count of things of at least `least` bytes each, which must still be there.
 */
static size_t read_count(struct walk *w, size_t least)
{
    size_t count = read_size(w);
    if (count > COUNT_MAX || count * least > wr_reader_left(&w->reader) ||
        w->reader.status != WEIR_OK) {
        w->failed = true;
        return 0;
    }
    return count;
}

/* A text: given; NULL when there is none. */
static char *read_text(struct walk *w)
{
    size_t size = read_size(w);
    if (size == 0 || size - 1 > wr_reader_left(&w->reader)) {
        w->failed = w->failed || size != 0;
        return NULL;
    }
    struct weir_bytes text = wr_read_bytes(&w->reader, size - 1);
    char *copy = text.data ? calloc(1, text.len + 1) : NULL;
    if (copy) {
        memcpy(copy, text.data, text.len);
    }
    return copy;
}

static void *read_array(struct walk *w, size_t count, size_t size)
{
    void *array = calloc(count + 1, size);
    struct weir_bytes bytes = wr_read_bytes(&w->reader, count * size);
    if (!array || !bytes.data) {
        w->failed = true;
        return array;
    }
    memcpy(array, bytes.data, bytes.len);
    return array;
}

static void read_constants(struct walk *w, struct function *f)
{
    f->constant_count = read_count(w, 1);
    f->constants = calloc(f->constant_count + 1, sizeof(*f->constants));
    for (size_t i = 0; f->constants && i < f->constant_count; i++) {
        switch ((uint8_t)wr_read_i8(&w->reader)) {
        case 0x00: /* nil */
        case 0x01: /* false */
        case 0x11: /* true */
            break;
        case 0x03: /* integer */
        case 0x13: /* float */
            wr_read_skip(&w->reader, 8);
            break;
        case 0x04: /* short and long texts */
        case 0x14:
            f->constants[i] = read_text(w);
            break;
        default:
            w->failed = true;
            return;
        }
    }
}

static void read_debug(struct walk *w, struct function *f)
{
    f->line_count = read_count(w, 1);
    f->lines = read_array(w, f->line_count, 1);
    f->absolute_count = read_count(w, 2);
    f->absolute = calloc(2 * f->absolute_count + 1, sizeof(*f->absolute));
    for (size_t i = 0; f->absolute && i < 2 * f->absolute_count; i++) {
        f->absolute[i] = (int)read_size(w);
    }
    for (size_t i = read_count(w, 3); i > 0; i--) {
        free(read_text(w)); /* a local: name, first and last instruction */
        (void)read_size(w);
        (void)read_size(w);
    }
    size_t names = read_count(w, 1);
    f->upvalues = calloc(f->upvalue_count + 1, sizeof(*f->upvalues));
    for (size_t i = 0; i < names; i++) {
        char *name = read_text(w);
        if (f->upvalues && i < f->upvalue_count) {
            f->upvalues[i] = name;
        } else {
            free(name);
        }
    }
}

/* Upvalues: where each comes from, to know whose local it is. `parent` NULL:
 * the function is the script's own chunk. */
static void read_upvalues(struct walk *w, struct function *f,
                          const struct function *parent)
{
    f->upvalue_count = read_count(w, 3);
    f->is_global_local =
        calloc(f->upvalue_count + 1, sizeof(*f->is_global_local));
    for (size_t i = 0; i < f->upvalue_count; i++) {
        bool local = wr_read_i8(&w->reader) != 0;
        size_t index = (uint8_t)wr_read_i8(&w->reader);
        (void)wr_read_i8(&w->reader);
        if (!parent || !f->is_global_local) {
            continue;
        }
        f->is_global_local[i] = local ? w->depth == 2
                                      : index < parent->upvalue_count &&
                                            parent->is_global_local[index];
    }
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts && i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

static void free_function(struct function *f)
{
    free_texts(f->constants, f->constant_count);
    free_texts(f->upvalues, f->upvalue_count);
    free(f->is_global_local);
    free(f->code);
    free(f->lines);
    free(f->absolute);
}

/* ---- facts --------------------------------------------------------------- */

static int line_of(const struct function *f, size_t at)
{
    int line = f->line;
    size_t from = 0;
    for (size_t i = 0; i < f->absolute_count; i++) {
        if ((size_t)f->absolute[2 * i] <= at) {
            line = f->absolute[2 * i + 1];
            from = (size_t)f->absolute[2 * i] + 1;
        }
    }
    for (size_t i = from; i <= at && i < f->line_count; i++) {
        line += f->lines[i] == -128 ? 0 : f->lines[i];
    }
    return line;
}

static const char *upvalue(const struct function *f, unsigned index)
{
    return index < f->upvalue_count && f->upvalues[index] ? f->upvalues[index]
                                                          : "";
}

static void tell_global(const struct walk *w, const struct function *f,
                        size_t at, enum wr_lua_fact fact, unsigned up,
                        unsigned key)
{
    if (strcmp(upvalue(f, up), "_ENV") == 0 && key < f->constant_count &&
        f->constants[key]) {
        w->fn(w->user, fact, f->line, line_of(f, at), f->constants[key]);
    }
}

/* Tells that a variable outside is changed, if it is one of the script's own
 * chunk: those are there once, not once per record. */
static void tell_outer(const struct walk *w, const struct function *f,
                       size_t at, enum wr_lua_fact fact, unsigned up)
{
    if (up < f->upvalue_count && f->is_global_local[up]) {
        w->fn(w->user, fact, f->line, line_of(f, at), upvalue(f, up));
    }
}

/* Tells what the code does. `held` is which upvalue each register was last
 * loaded from, along the text of the code, -1 for none. */
static void tell_facts(const struct walk *w, const struct function *f)
{
    int held[256];
    memset(held, -1, sizeof(held));
    for (size_t at = 0; at < f->code_count; at++) {
        uint32_t i = f->code[at];
        unsigned a = field_a(i);
        switch (opcode(i)) {
        case OP_GETUPVAL:
            held[a] = (int)field_b(i);
            break;
        case OP_SETUPVAL:
            tell_outer(w, f, at, WR_LUA_SETS_OUTER, field_b(i));
            break;
        case OP_GETTABUP:
            tell_global(w, f, at, WR_LUA_READS_GLOBAL, field_b(i), field_c(i));
            held[a] = -1;
            break;
        case OP_SETTABUP:
            tell_global(w, f, at, WR_LUA_SETS_GLOBAL, a, field_b(i));
            tell_outer(w, f, at, WR_LUA_CHANGES_OUTER, a);
            break;
        case OP_SETTABLE:
        case OP_SETI:
        case OP_SETFIELD:
            if (held[a] >= 0) {
                tell_outer(w, f, at, WR_LUA_CHANGES_OUTER, (unsigned)held[a]);
            }
            break;
        default:
            held[a] = -1;
            break;
        }
    }
}

static void walk_function(struct walk *w, const struct function *parent)
{
    struct function f = {0};
    if (++w->depth > DEPTH_MAX) {
        w->failed = true;
    }
    free(read_text(w)); /* source */
    f.line = (int)read_size(w);
    (void)read_size(w); /* last line */
    wr_read_skip(&w->reader, 3);
    f.code_count = read_count(w, 4);
    f.code = read_array(w, f.code_count, 4);
    read_constants(w, &f);
    read_upvalues(w, &f, parent);
    w->failed = w->failed || !f.is_global_local;
    for (size_t i = read_count(w, 1); i > 0 && !w->failed; i--) {
        walk_function(w, &f);
    }
    read_debug(w, &f);
    w->failed = w->failed || w->reader.status != WEIR_OK;
    if (!w->failed && f.upvalues && f.constants && f.absolute) {
        tell_facts(w, &f);
    }
    free_function(&f);
    w->depth--;
}

enum weir_status wr_lua_walk_code(struct weir_bytes code, wr_lua_fact_fn fn,
                                  void *user)
{
    static const uint8_t header[] = {0x1b, 'L',  'u',  'a',  0x54,
                                     0,    0x19, 0x93, '\r', '\n',
                                     0x1a, '\n', 4,    8,    8};
    struct walk w = {.fn = fn, .user = user};
    wr_reader_init(&w.reader, code);
    struct weir_bytes begin = wr_read_bytes(&w.reader, sizeof(header));
    if (LUA_VERSION_NUM != 504 || !begin.data ||
        memcmp(begin.data, header, sizeof(header)) != 0) {
        return WEIR_E_DECODE;
    }
    wr_read_skip(&w.reader, 8 + 8 + 1);
    walk_function(&w, NULL);
    return w.failed ? WEIR_E_DECODE : WEIR_OK;
}
