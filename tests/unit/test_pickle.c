/* links: base file */
/* The malformations of a PyTorch file's pickle, one row each; IDs as in the list of bad inputs.
 * Reading never starts anything: there is no code in the library that could. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "file/weights.h"
#include "support/pickle_parts.h"
#include "support/scratch.h"
#include "support/zip_make.h"

static const float FOUR[4] = {1, 2, 3, 4};

static rk_status open_pickle(rk_weights **w, const char *pickle, size_t length, rk_error *err)
{
    zip_made z;
    const char *path;
    zip_begin(&z);
    zip_add(&z, "r/data.pkl", 10, pickle, length);
    zip_add(&z, "r/data/0", 8, FOUR, 16);
    zip_add(&z, "r/data/1", 8, FOUR, 8);
    zip_add(&z, "r/data/e", 8, "", 0);
    zip_add(&z, "r/version", 9, "3\n", 2);
    zip_finish(&z);
    path = scratch_write("p.bin", z.bytes.data, z.bytes.length);
    zip_free(&z);
    memset(err, 0, sizeof *err);
    return rk_torch_zip_open(w, path, err);
}

static void refused(const char *id, const char *pickle, size_t length, const char *says)
{
    rk_weights *w = (rk_weights *)&w;
    rk_error err;
    const rk_status st = open_pickle(&w, pickle, length, &err);
    if (st != RK_E_FORMAT || err.code != st || w || !strstr(err.message, says) ||
        !strstr(err.message, "p.bin: ") || strpbrk(err.message, "\n\x1b"))
        fail_msg("%s: %s: \"%s\", wanted \"%s\"", id, rk_status_name(st), err.message, says);
}

static rk_weights *accepted(const char *id, const char *pickle, size_t length)
{
    rk_weights *w = NULL;
    rk_error err;
    if (open_pickle(&w, pickle, length, &err)) fail_msg("%s: %s", id, err.message);
    return w;
}

typedef struct row {
    const char *id, *bytes;
    size_t length;
    const char *says;        /* NULL: accepted */
} row;

#define P(bytes) bytes, sizeof(bytes) - 1
/* {"w": a good tensor, "v": value} */
#define WITH(value) P(PK_BEGIN PK_SET_W PK_TEXT("\001", "v") value "s.")
/* {"w": tensor of these arguments} */
#define ARGS(storage, offset, size, stride, rest)                                                  \
    P(PK_BEGIN PK_W PK_TENSOR(storage, offset, size, stride, rest) "s.")
#define SHAPED(size, stride) ARGS(PK_FOUR, "K\000", size, stride, PK_REST)
#define STORED(type, count, n)                                                                     \
    ARGS(PK_STORAGE(type, PK_KEY1, PK_CPU, count), "K\000", n "\205", "K\001\205", PK_REST)
#define TEXT(n, s) PK_TEXT(n, s)
#define SYSTEM "\"posix.system\", which weights do not need; nothing was run"

static const row ROWS[] = {
    {"good", P(PK_FILE), NULL},
    /* code */
    {"PK-01 system", WITH("cposix\nsystem\n" TEXT("\006", "id>/xx") "\205R"), SYSTEM},
    {"PK-01 eval", WITH("c__builtin__\neval\n" TEXT("\001", "1") "\205R"), "\"__builtin__.eval\""},
    {"PK-01 exec", WITH("cbuiltins\nexec\n)R"), "byte 124: the stream asks for \"builtins.exec"},
    {"PK-01 getattr", WITH("cbuiltins\ngetattr\n)R"), "\"builtins.getattr\""},
    {"PK-01 torch", WITH("ctorch\nload\n)R"), "\"torch.load\""},
    {"PK-02 STACK_GLOBAL", WITH(TEXT("\005", "posix") TEXT("\006", "system") "\223)R"), SYSTEM},
    {"PK-02 INST", WITH("(iposix\nsystem\n"), "opcode 0x69 (INST)"},
    {"PK-02 OBJ", WITH("(cposix\nsystem\no"), SYSTEM},
    {"PK-02 OBJ allowed", WITH("(ccollections\nOrderedDict\no"), "opcode 0x6f (OBJ)"},
    {"PK-02 NEWOBJ", WITH("ccollections\nOrderedDict\n)\201"), "opcode 0x81 (NEWOBJ)"},
    {"PK-02 NEWOBJ_EX", WITH("ccollections\nOrderedDict\n)}\222"), "opcode 0x92 (NEWOBJ_EX)"},
    {"PK-02 BUILD dict", WITH("}}b"), "BUILD on something else than an OrderedDict"},
    {"PK-02 BUILD global", WITH("ctorch\nFloatStorage\n}b"), "BUILD on something else"},
    {"PK-02 BUILD tensor", WITH(PK_GOOD "}b"), "BUILD on something else"},
    {"PK-02 BUILD state", WITH("ccollections\nOrderedDict\n)RK\001b"), "BUILD on something else"},
    {"PK-02 BUILD good", WITH("ccollections\nOrderedDict\n)R}" TEXT("\001", "m") "Nsb"), NULL},
    {"PK-02 EXT1", WITH("\202\001"), "opcode 0x82 (EXT)"},
    {"PK-02 EXT2", WITH("\203\001\000"), "opcode 0x83 (EXT)"},
    {"PK-02 EXT4", WITH("\204\001\000\000\000"), "opcode 0x84 (EXT)"},
    {"PK-02 PERSID", WITH("Pstorage\n"), "opcode 0x50 (PERSID)"},
    {"PK-03 dotted", WITH("ctorch\n_utils._rebuild_tensor_v2\n"), "\"torch._utils._rebuild_tens"},
    {"PK-03 look-alike", WITH("ctorch\nFl\320\276atStorage\n"), "which weights do not need"},
    {"PK-03 NUL", WITH("ctorch\nFloatStorage\000\n"), "FloatStorage\\x00\""},
    {"PK-03 newline", WITH(TEXT("\005", "torch") TEXT("\015", "FloatStorage\n") "\223"),
     "FloatStorage\\x0a\""},
    {"PK-03 empty", WITH("c\n\n"), "\".\""},
    {"PK-03 no end", P(PK_BEGIN "ctorch"), "a name without an end"},
    {"PK-03 STACK_GLOBAL int", WITH(TEXT("\005", "torch") "K\001\223"), "wants two strings"},
    /* rebuild functions */
    {"PK-04 few", P(PK_BEGIN PK_W PK_V2 "(" PK_FOUR "K\000tRs."), "made of 2 arguments"},
    {"PK-04 many", ARGS(PK_FOUR, "K\000", "K\004\205", "K\001\205", PK_REST "NN"),
     "made of 8 arguments"},
    {"PK-04 none", P(PK_BEGIN PK_W PK_V2 ")Rs."), "made of 0 arguments"},
    {"PK-04 no tuple", P(PK_BEGIN PK_W PK_V2 "NRs."), "REDUCE wants a name and a tuple"},
    {"PK-04 no name", P(PK_BEGIN PK_W "N)Rs."), "REDUCE wants a name and a tuple"},
    {"PK-04 not a function", P(PK_BEGIN PK_W "ctorch\nFloatStorage\n)Rs."), "is not a function"},
    {"PK-04 storage", ARGS("N", "K\000", "K\004\205", "K\001\205", PK_REST), "wrong kinds"},
    {"PK-04 offset", ARGS(PK_FOUR, "N", "K\004\205", "K\001\205", PK_REST), "wrong kinds"},
    {"PK-04 offset -1", ARGS(PK_FOUR, "J\377\377\377\377", "K\004\205", "K\001\205", PK_REST),
     "wrong kinds"},
    {"PK-04 size", ARGS(PK_FOUR, "K\000", "K\004", "K\001\205", PK_REST), "wrong kinds"},
    {"PK-04 size of text", SHAPED(TEXT("\001", "4") "\205", "K\001\205"), "size must be whole"},
    {"PK-04 size -1", SHAPED("J\377\377\377\377\205", "K\001\205"), "size must be whole numbers"},
    {"PK-04 stride rank", SHAPED("K\004\205", "K\001K\001\206"), "stride must be a tuple of 1"},
    {"PK-04 stride list", SHAPED("K\004\205", "]"), "stride must be a tuple of 1"},
    {"PK-04 gradient", ARGS(PK_FOUR, "K\000", "K\004\205", "K\001\205", "N" PK_HOOKS), "wrong k"},
    {"PK-04 OrderedDict", WITH("ccollections\nOrderedDict\nN\205R"), "OrderedDict made of argu"},
    {"PK-04 rank 9", SHAPED("(K\001K\001K\001K\001K\001K\001K\001K\001K\001t",
                            "(K\001K\001K\001K\001K\001K\001K\001K\001K\001t"), "9 dimensions"},
    {"PK-05 hooks", ARGS(PK_FOUR, "K\000", "K\004\205", "K\001\205", "\211" PK_HOOKS "NNs"),
     "with hooks"},
    {"PK-05 hooks None", ARGS(PK_FOUR, "K\000", "K\004\205", "K\001\205", "\211N"), "with hooks"},
    {"PK-05 metadata", ARGS(PK_FOUR, "K\000", "K\004\205", "K\001\205", PK_REST "}NNs"),
     "with metadata"},
    {"PK-05 metadata empty", ARGS(PK_FOUR, "K\000", "K\004\205", "K\001\205", PK_REST "}"), NULL},
    {"PK-05 metadata None", ARGS(PK_FOUR, "K\000", "K\004\205", "K\001\205", PK_REST "N"), NULL},
    /* the stream */
    {"PK-06 opcode", WITH("\377"), "opcode 0xff is not one"},
    {"PK-06 PROTO again", WITH("\200\002N"), "opcode 0x80 (PROTO)"},
    {"PK-06 text opcodes", WITH("I1\n"), "opcode 0x49"},
    {"PK-06 none", P("}" PK_SET_W "."), "not a pickle of protocol 2 or later"},
    {"PK-06 empty", P(""), "not a pickle"},
    {"PK-06 protocol 1", P("\200\001}" PK_SET_W "."), "pickle protocol 1; 2 to 5 are known"},
    {"PK-06 protocol 3", P("\200\003}" PK_SET_W "."), NULL},
    {"PK-06 protocol 4", P("\200\004}" PK_SET_W "."), NULL},
    {"PK-06 protocol 5", P("\200\005}" PK_SET_W "."), NULL},
    {"PK-06 protocol 6", P("\200\006}" PK_SET_W "."), "pickle protocol 6"},
    {"PK-06 protocol 255", P("\200\377}" PK_SET_W "."), "pickle protocol 255"},
    {"PK-07 t", P("\200\002t."), "byte 2: there is no mark"},
    {"PK-07 TUPLE1", P("\200\002\205."), "the stack is empty"},
    {"PK-07 TUPLE2", P("\200\002N\206."), "the stack is empty"},
    {"PK-07 TUPLE3", P("\200\002NN\207."), "the stack is empty"},
    {"PK-07 TUPLE1 mark", P("\200\002(\205."), "a mark where a value"},
    {"PK-07 APPEND", P("\200\002Na."), "the stack is empty"},
    {"PK-07 APPEND dict", P("\200\002}Na."), "items for a list"},
    {"PK-07 APPENDS", P("\200\002]e."), "there is no mark"},
    {"PK-07 APPENDS no list", P("\200\002(e."), "the stack is empty"},
    {"PK-07 APPENDS mark", P("\200\002((e."), "the stack is empty"},
    {"PK-07 SETITEM", P("\200\002}Ns."), "the stack is empty"},
    {"PK-07 SETITEM list", P("\200\002]NNs."), "items for a dict"},
    {"PK-07 SETITEMS", P("\200\002}u."), "there is no mark"},
    {"PK-07 SETITEMS odd", P("\200\002}(Nu."), "a key without a value"},
    {"PK-07 SETITEM mark", P("\200\002}(Ns."), "a mark where a value"},
    {"PK-07 REDUCE", P("\200\002)R."), "the stack is empty"},
    {"PK-07 BUILD", P("\200\002}b."), "the stack is empty"},
    {"PK-07 BINPERSID", P("\200\002Q."), "the stack is empty"},
    {"PK-07 BINPERSID mark", P("\200\002(Q."), "a mark where a value"},
    {"PK-07 STACK_GLOBAL", P("\200\002N\223."), "the stack is empty"},
    {"PK-07 BINPUT", P("\200\002q\000."), "no value to remember"},
    {"PK-07 BINPUT mark", P("\200\002(q\000."), "no value to remember"},
    {"PK-07 MEMOIZE", P("\200\002\224."), "no value to remember"},
    {"PK-08 BINGET", WITH("h\005"), "memo slot 5 was never filled"},
    {"PK-08 BINGET between", WITH("Nq\000h\005"), "memo slot 5 was never filled"},
    {"PK-08 LONG_BINGET", WITH("j\377\377\377\377"), "memo slot 4294967295 was never filled"},
    {"PK-08 LONG_BINPUT", WITH("Nr\377\377\377\377"), "memo slot 4294967295 after"},
    {"PK-08 good", WITH("Nq\000h\000\206"), NULL},
    {"PK-08 MEMOIZE", WITH("N\224h\000\206"), NULL},
    {"PK-09 no STOP", P(PK_BEGIN PK_SET_W), "the stream ends without STOP"},
    {"PK-09 after STOP", P(PK_FILE "N"), "1 bytes after the end of the pickle"},
    {"PK-09 two values", P("\200\002N}" PK_SET_W "."), "2 values at the end"},
    {"PK-09 none", P("\200\002."), "0 values at the end"},
    {"PK-09 mark", P("\200\002(."), "values at the end"},
    {"PK-10 FRAME long", P("\200\004\225\377\000\000\000\000\000\000\000}" PK_SET_W "."),
     "a frame of 255 bytes where"},
    {"PK-10 FRAME 2^63", P("\200\004\225\000\000\000\000\000\000\000\200}" PK_SET_W "."),
     "a frame of 9223372036854775808 bytes"},
    {"PK-10 FRAME cuts", P("\200\004\225\006\000\000\000\000\000\000\000}" PK_SET_W "."),
     "12 bytes are wanted, 1 are left"},
    {"PK-10 FRAME in FRAME", P("\200\004\225\012\000\000\000\000\000\000\000"
                               "\225\001\000\000\000\000\000\000\000}" PK_SET_W "."),
     "a frame within a frame"},
    {"PK-10 string 2^31", WITH("X\000\000\000\200"), "2147483648 bytes are wanted"},
    {"PK-10 string 2^63", WITH("\215\000\000\000\000\000\000\000\200"),
     "9223372036854775808 bytes are wanted"},
    {"PK-10 bytes 2^64", WITH("\216\377\377\377\377\377\377\377\377"), "bytes are wanted"},
    {"PK-10 LONG4", WITH("\213\377\377\377\377"), "LONG4 with a negative length"},
    {"PK-10 LONG4 long", WITH("\213\377\377\377\177"), "bytes are wanted"},
    {"PK-10 float cut", P(PK_BEGIN "G1234"), "8 bytes are wanted, 4 are left"},
    {"PK-11 itself", WITH("]q\000h\000a"), "a value that holds itself"},
    {"PK-11 itself in a dict", WITH("}q\000Nh\000s"), "a value that holds itself"},
    {"PK-11 through two", WITH("]q\000]h\000aa"), "a value that holds itself"},
    /* what the pickle is */
    {"PK-14 list", P("\200\002]" PK_GOOD "a."), "is not a map of names to tensors"},
    {"PK-14 tensor", P("\200\002" PK_GOOD "."), "is not a map of names to tensors"},
    {"PK-14 int", P("\200\002K\001."), "is not a map of names to tensors"},
    {"PK-14 empty", P("\200\002}."), "there are no tensors"},
    {"PK-14 two maps", WITH("}" PK_SET_W), "two maps of tensors, \"the top one\" and \"v\""},
    {"PK-14 two states", P("\200\002}" TEXT("\001", "a") "}" PK_SET_W "s" TEXT("\001", "b") "}"
                           PK_SET_W "s."), "two maps of tensors, \"a\" and \"b\""},
    {"PK-14 too deep", P("\200\002}" TEXT("\001", "a") "}" TEXT("\001", "b") "}" PK_SET_W "ss."),
     "there are no tensors"},
    {"PK-14 state of a list", P("\200\002}K\001}" PK_SET_W "s."), "the map of tensors has no name"},
    {"PK-15 int", P(PK_BEGIN "K\001" PK_GOOD "s."), "a key of the weights is not a string"},
    {"PK-15 bytes", P(PK_BEGIN "C\001w" PK_GOOD "s."), "a key of the weights is not a string"},
    {"PK-15 tuple", P(PK_BEGIN PK_W "\205" PK_GOOD "s."), "a key of the weights is not a string"},
    {"PK-15 list", P(PK_BEGIN "]" PK_GOOD "s."), "a key of a kind that cannot be one"},
    {"PK-15 not UTF-8", P(PK_BEGIN TEXT("\001", "\377") PK_GOOD "s."), "a string is not UTF-8"},
    {"PK-15 control", P(PK_BEGIN TEXT("\002", "a\n") PK_GOOD "s."), "\"a\\x0a\" cannot be the na"},
    {"PK-15 empty", P(PK_BEGIN TEXT("\000", "") PK_GOOD "s."), "cannot be the name"},
    {"PK-16 twice", P(PK_BEGIN PK_SET_W PK_SET_W "."), "the key \"w\" is there twice"},
    {"PK-16 not a tensor", P(PK_BEGIN PK_SET_W PK_W "Ns."), "the key \"w\" is there twice"},
    /* places */
    {"PK-17 size", SHAPED("K\005\205", "K\001\205"), "reaches element 5 of a storage of 4"},
    {"PK-17 stride", SHAPED("K\002\205", "K\004\205"), "reaches element 5 of a storage of 4"},
    {"PK-17 fits", SHAPED("K\002\205", "K\003\205"), NULL},
    {"PK-17 offset", ARGS(PK_FOUR, "K\001", "K\004\205", "K\001\205", PK_REST), "element 5 of"},
    {"PK-17 offset of none", ARGS(PK_FOUR, "K\005", "K\000\205", "K\001\205", PK_REST),
     "element 5 of"},
    {"PK-17 none at the end", ARGS(PK_FOUR, "K\004", "K\000\205", "K\001\205", PK_REST), NULL},
    {"PK-17 offset 2^63-1", ARGS(PK_FOUR, "\212\010\377\377\377\377\377\377\377\177", "K\004\205",
                                 "K\001\205", PK_REST), "of a storage of 4"},
    {"PK-17 product", SHAPED("\212\010\000\000\000\000\000\000\000\100K\004\206",
                             "K\004K\001\206"), "shape overflows"},
    {"PK-17 stride 2^62", SHAPED("K\005\205", "\212\010\000\000\000\000\000\000\000\100\205"),
     "size times stride overflows"},
    {"PK-17 big int", SHAPED("\212\011\000\000\000\000\000\000\000\000\001\205", "K\001\205"),
     "size must be whole numbers"},
    {"PK-18 stride 0", SHAPED("K\004\205", "K\000\205"), "strides overlap"},
    {"PK-18 stride 0, size 1", SHAPED("K\001\205", "K\000\205"), NULL},
    {"PK-18 negative", SHAPED("K\004\205", "J\377\377\377\377\205"), "stride must be whole number"},
    {"PK-18 overlap", SHAPED("K\002K\002\206", "K\001K\001\206"), "strides overlap"},
    {"PK-18 overlap", SHAPED("K\002K\003\206", "K\001K\001\206"), "strides overlap"},
    {"PK-21 BFloat16", STORED("BFloat16", "K\004", "K\004"), NULL},
    {"PK-21 Double", STORED("Double", "K\001", "K\001"), NULL},
    {"PK-21 Long", STORED("Long", "K\001", "K\001"), NULL},
    {"PK-21 Bool", STORED("Bool", "K\010", "K\010"), NULL},
    {"PK-21 complex", STORED("ComplexFloat", "K\001", "K\001"), "\"torch.ComplexFloatStorage\""},
    {"PK-21 quantised", STORED("QInt8", "K\010", "K\010"), "\"torch.QInt8Storage\""},
    {"PK-22 2^62", STORED("Float", "\212\010\000\000\000\000\000\000\000\100", "K\001"),
     "a storage of 4611686018427387904 elements"},
    {"PK-22 -1", STORED("Float", "J\377\377\377\377", "K\001"), "a storage of -1 elements"},
    {"PK-22 2^40", STORED("Byte", "\212\006\000\000\000\000\000\001", "K\001"),
     "storage \"1\" holds 8 bytes, the pickle says 1099511627776"},
    {"PK-22 two numels", WITH(PK_TENSOR(PK_STORAGE("Float", PK_KEY0, PK_CPU, "K\003"), "K\000",
                                        "K\003\205", "K\001\205", PK_REST)),
     "storage \"0\" is 16 bytes of F32 in one place and 12 of F32 in another"},
    {"PK-22 two types", WITH(PK_TENSOR(PK_STORAGE("Int", PK_KEY0, PK_CPU, "K\004"), "K\000",
                                       "K\004\205", "K\001\205", PK_REST)), "16 of I32 in another"},
    {"PK-22 key", ARGS(PK_STORAGE("Float", TEXT("\004", "../0"), PK_CPU, "K\004"), "K\000",
                       "K\004\205", "K\001\205", PK_REST), "storage \"../0\" are missing"},
    {"PK-23 cuda", ARGS(PK_STORAGE("Float", PK_KEY0, TEXT("\006", "cuda:0"), "K\004"), "K\000",
                        "K\004\205", "K\001\205", PK_REST), NULL},
    {"PK-23 meta", ARGS(PK_STORAGE("Float", PK_KEY0, TEXT("\004", "meta"), "K\004"), "K\000",
                        "K\004\205", "K\001\205", PK_REST), "on device \"meta\" has no data"},
    {"PK-23 id of 4", ARGS("(" TEXT("\007", "storage") "ctorch\nFloatStorage\n" PK_KEY0 PK_CPU "tQ",
                           "K\000", "K\004\205", "K\001\205", PK_REST), "must be a tuple of 5"},
    {"PK-23 id of module", ARGS("(" TEXT("\006", "module") "ctorch\nFloatStorage\n" PK_KEY0 PK_CPU
                                "K\004tQ", "K\000", "K\004\205", "K\001\205", PK_REST),
     "a persistent id that is not a storage"},
    {"PK-24 beside", WITH("K\003"), NULL},
    {"PK-24 optimiser", P("\200\002}" TEXT("\005", "model") "}" PK_SET_W "s" TEXT("\003", "opt")
                          "}" TEXT("\005", "state") "}K\000}" TEXT("\001", "m") PK_GOOD "ssss."),
     NULL},
    {"PK-25 gradient", ARGS(PK_FOUR, "K\000", "K\004\205", "K\001\205", "\210" PK_HOOKS), NULL},
    {"PK-25 parameter", P(PK_BEGIN PK_W "ctorch._utils\n_rebuild_parameter\n(" PK_GOOD "\210"
                          PK_HOOKS "tRs."), NULL},
    {"PK-25 parameter hooks", P(PK_BEGIN PK_W "ctorch._utils\n_rebuild_parameter\n(" PK_GOOD "\210"
                                "}NNstRs."), "a parameter with hooks"},
    {"PK-25 parameter of none", P(PK_BEGIN PK_W "ctorch._utils\n_rebuild_parameter\n(N\210}tRs."),
     "a parameter made of the wrong"},
    {"PK-25 subclass", P(PK_BEGIN PK_W "ctorch._utils\n_rebuild_parameter_with_state\n(" PK_GOOD
                         "\210" PK_HOOKS "}tRs."), "_rebuild_parameter_with_state\""},
    {"PK-25 wrapper", P(PK_BEGIN PK_W "ctorch._tensor\n_rebuild_from_type_v2\n)Rs."),
     "\"torch._tensor._rebuild_from_type_v2\""},
    {"empty storage", ARGS(PK_STORAGE("Float", TEXT("\001", "e"), PK_CPU, "K\000"), "K\000",
                           "K\000\205", "K\001\205", PK_REST), NULL},
};

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const row *r = &ROWS[i];
        if (r->says) refused(r->id, r->bytes, r->length, r->says);
        else rk_weights_close(accepted(r->id, r->bytes, r->length));
    }
}

static void PK_14_note(void **state)
{
    static const char nested[] = "\200\002}" TEXT("\012", "state_dict") "}" PK_SET_W "s.";
    rk_weights *w = accepted("PK-14", nested, sizeof nested - 1);
    (void)state;
    assert_int_equal(w->count, 1);
    assert_string_equal(w->tensor[0].name, "w");
    assert_non_null(strstr(w->note, "p.bin: the weights were taken from state_dict"));
    rk_weights_close(w);
}

/* PK-19: [2, 2] of strides [1, 2] is the transpose; PK-20: two names, one place. */
static void PK_19_20_order(void **state)
{
    static const float want[4] = {1, 3, 2, 4};
    static const char pickle[] =
        PK_BEGIN TEXT("\001", "t")
            PK_TENSOR(PK_FOUR, "K\000", "K\002K\002\206", "K\001K\002\206", PK_REST) "s"
        TEXT("\001", "a") PK_GOOD "s" TEXT("\001", "b")
            PK_TENSOR(PK_FOUR, "K\001", "K\003\205", "K\001\205", PK_REST) "s"
        TEXT("\001", "c") PK_TENSOR(PK_FOUR, "K\001", "K\002K\001\206", "K\002K\007\206", PK_REST)
        "s.";
    rk_weights *w = accepted("PK-19", pickle, sizeof pickle - 1);
    const float *c;
    (void)state;
    assert_int_equal(w->count, 4);
    assert_memory_equal(w->tensor[0].data, want, sizeof want);
    assert_memory_equal(w->tensor[1].data, FOUR, sizeof FOUR);
    assert_ptr_equal((const char *)w->tensor[2].data, (const char *)w->tensor[1].data + 4);
    c = w->tensor[3].data;
    assert_true(c[0] == 2 && c[1] == 4);
    assert_int_equal(w->tensor[3].bytes, 8);
    rk_weights_close(w);
}

static void refused_built(const char *id, rk_buffer *b, const char *says)
{
    if (says) refused(id, b->data, b->length, says);
    else rk_weights_close(accepted(id, b->data, b->length));
    rk_buffer_clear(b);
}

static void put(rk_buffer *b, const char *bytes, size_t length)
{
    rk_buffer_put(b, bytes, length);
}

static void PK_11_12_13_limits(void **state)
{
    rk_buffer b = {0};
    (void)state;
    for (size_t depth = 30; depth <= 31; depth++) {     /* below a tuple, below the top */
        put(&b, P(PK_BEGIN PK_SET_W TEXT("\001", "v") "N"));
        for (size_t i = 0; i < depth; i++) put(&b, "\205", 1);
        put(&b, P("s."));
        refused_built("PK-11", &b, depth == 30 ? NULL : "nested deeper than 32");
    }
    put(&b, P(PK_BEGIN PK_SET_W TEXT("\001", "v") "N"));
    for (int i = 0; i < 100000; i++) put(&b, "\205", 1);
    put(&b, P("s."));
    refused_built("PK-11", &b, "nested deeper than 32");

    put(&b, P(PK_BEGIN PK_SET_W TEXT("\001", "v") "]q\000"));
    for (int i = 0; i < 60; i++) put(&b, P("h\000\206q\000"));
    put(&b, P("s."));
    refused_built("PK-12", &b, "nested deeper than 32");

    for (size_t more = 0; more < 2; more++) {           /* "w" and its tensor are 24 opcodes */
        put(&b, P(PK_BEGIN PK_SET_W));
        for (size_t i = 25; i < 4000000 + more; i++) put(&b, "q\000", 2);
        put(&b, ".", 1);
        refused_built("PK-13", &b, more ? "more than 4000000 opcodes" : NULL);
    }
    put(&b, P("\200\002"));
    for (int i = 0; i < 65537; i++) put(&b, "N", 1);
    refused_built("stack", &b, "more than 65536 values on the stack");
    put(&b, P("\200\002N"));
    for (int i = 0; i < 1000000; i++) put(&b, "\205", 1);
    refused_built("values", &b, "more than 1000000 values");
    rk_buffer_free(&b);
}

/* One storage, many tensors out of order: their copies may not outgrow the file. */
static void copies_are_bounded(void **state)
{
    enum { SIDE = 200 };
    static float square[SIDE * SIDE];
    static const char one[] =
        PK_TENSOR(PK_STORAGE("Float", PK_KEY0, PK_CPU, "M\100\234"), "K\000",
                  "K\310K\310\206", "K\001K\310\206", PK_REST) "s";
    rk_buffer b = {0};
    zip_made z;
    rk_weights *w;
    rk_error err;
    (void)state;
    for (int n = 1; n < 40; n += 38) {
        put(&b, P(PK_BEGIN));
        for (int i = 0; i < n; i++) {
            rk_buffer_printf(&b, "\214\003%03d", i);
            put(&b, P(one));
        }
        put(&b, ".", 1);
        zip_begin(&z);
        zip_add(&z, "r/data.pkl", 10, b.data, b.length);
        zip_add(&z, "r/data/0", 8, square, sizeof square);
        zip_add(&z, "r/version", 9, "3\n", 2);
        zip_finish(&z);
        scratch_write("s.bin", z.bytes.data, z.bytes.length);
        assert_int_equal(rk_torch_zip_open(&w, scratch_path("s.bin"), &err),
                         n == 1 ? RK_OK : RK_E_FORMAT);
        if (n > 1) assert_non_null(strstr(err.message, "hold more than the file does"));
        rk_weights_close(w);
        zip_free(&z);
        rk_buffer_clear(&b);
    }
    rk_buffer_free(&b);
}

/* Each byte of a good pickle changed, its CRC made right again: the machine alone must hold. */
static void SW_01_02_of_the_stream(void **state)
{
    char copy[sizeof PK_FILE - 1];
    (void)state;
    for (size_t i = 0; i < sizeof copy; i++) {
        rk_weights *w;
        rk_error err;
        assert_int_equal(open_pickle(&w, PK_FILE, i, &err), RK_E_FORMAT);
        for (int k = 0; k < 4; k++) {
            memcpy(copy, PK_FILE, sizeof copy);
            copy[i] = (char)(k == 0 ? 0 : k == 1 ? 0xff : copy[i] ^ (k == 2 ? 1 : 0x80));
            if (open_pickle(&w, copy, sizeof copy, &err)) {
                assert_int_equal(err.code, RK_E_FORMAT);
                assert_null(w);
                continue;
            }
            assert_int_equal(w->count, 1);
            assert_true(w->tensor[0].bytes <= 16);
            rk_weights_close(w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table), cmocka_unit_test(PK_14_note), cmocka_unit_test(PK_19_20_order),
        cmocka_unit_test(PK_11_12_13_limits), cmocka_unit_test(copies_are_bounded),
        cmocka_unit_test(SW_01_02_of_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
