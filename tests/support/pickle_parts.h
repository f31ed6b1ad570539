/* Pieces of the pickles that torch.save writes, as string literals with octal escapes. */
#ifndef RK_TEST_PICKLE_PARTS_H
#define RK_TEST_PICKLE_PARTS_H

/* A string: its length as one octal escape, then the text. */
#define PK_TEXT(length, text) "\214" length text
#define PK_HOOKS "ccollections\nOrderedDict\n)R"
#define PK_STORAGE(type, key, where, count)                                                        \
    "(" PK_TEXT("\007", "storage") "ctorch\n" type "Storage\n" key where count "tQ"
#define PK_V2 "ctorch._utils\n_rebuild_tensor_v2\n"
#define PK_TENSOR(storage, offset, size, stride, rest)                                             \
    PK_V2 "(" storage offset size stride rest "tR"
#define PK_CPU PK_TEXT("\003", "cpu")
#define PK_KEY0 PK_TEXT("\001", "0")
#define PK_KEY1 PK_TEXT("\001", "1")
#define PK_FOUR PK_STORAGE("Float", PK_KEY0, PK_CPU, "K\004")      /* 16 bytes under key 0 */
#define PK_REST "\211" PK_HOOKS                                    /* no gradient, no hooks */
#define PK_GOOD PK_TENSOR(PK_FOUR, "K\000", "K\004\205", "K\001\205", PK_REST)
#define PK_W PK_TEXT("\001", "w")
#define PK_BEGIN "\200\002}"
#define PK_SET_W PK_W PK_GOOD "s"
#define PK_FILE PK_BEGIN PK_SET_W "."                              /* {"w": four floats} */

#endif
