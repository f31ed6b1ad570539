"""Philox4x32-10 and the shuffle of base/rng.h in plain Python: which rows a step trains on."""

M32, M64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def philox(seed, stream, block):
    c = [block & M32, block >> 32 & M32, stream & M32, stream >> 32 & M32]
    k0, k1 = seed & M32, seed >> 32 & M32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k0, p1 & M32, p0 >> 32 ^ c[3] ^ k1, p0 & M32]
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c


class Rng:
    def __init__(self, seed, stream):
        self.seed, self.stream, self.next = seed, stream, 0

    def u32(self):
        word = philox(self.seed, self.stream, self.next // 4)[self.next % 4]
        self.next += 1
        return word

    def below(self, n):
        limit = M64 - M64 % n
        while True:
            x = self.u32() << 32
            x |= self.u32()
            if x < limit:
                return x % n


def shuffled(seed, epoch, n):
    rng, order = Rng(seed, 0x20000000 + epoch), list(range(n))
    for i in range(n, 1, -1):
        j = rng.below(i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order
