"""Follows secrets through the machine code of one function, as objdump prints it.

A value is one of
    S        secret: it came from memory that holds data
    N        a public number: a length, a counter, a constant
    0        public: a pointer to data, or a number; what is not known better
    1, 2, .. public: a pointer to that many levels of public memory (1: to lengths and to pointers to data)
    Frame    a pointer into the function's stack frame, whose slots are followed one by one
    Fields   a pointer to a structure of which some fields are pointers of levels; all others are as behind a level 1
    MIXED    a pointer to, or a value from, a structure of public numbers and of pointers to both kinds of memory: what is
             loaded through it into a vector is secret, into a register of words MIXED again
    Code     the address of a function

What is loaded through N or 0 is secret, through a level n it is n - 1. A sum is of the least level in it, so that a pointer to
data stays one whatever is added. An instruction makes what it writes as
secret as the most secret of what it reads. Reported are: a conditional jump on secret flags, an address with a secret in
it (gathers and scatters included), a division or another instruction whose time depends on its operands with a secret
operand, a secret length of a copy, and calls and jumps whose target is not known to be harmless.
"""

import re
import struct
from collections import namedtuple

S, N, MIXED = "S", "N", "MIXED"
Frame = namedtuple("Frame", "base offset")
Code = namedtuple("Code", "name")
Fields = namedtuple("Fields", "levels")
Insn = namedtuple("Insn", "address op args text target pointer")

GPR = {}
for names in [
    "rax eax ax al ah", "rbx ebx bx bl bh", "rcx ecx cx cl ch", "rdx edx dx dl dh", "rsi esi si sil", "rdi edi di dil",
    "rbp ebp bp bpl", "rsp esp sp spl",
] + [f"r{i} r{i}d r{i}w r{i}b" for i in range(8, 16)]:
    first, *rest = names.split()
    GPR.update({name: first for name in [first, *rest]})
VECTOR = re.compile(r"[xyz]mm(\d+)$")
CALLER_SAVED = "rax rcx rdx rsi rdi r8 r9 r10 r11".split()

# Calls that do not come back: what they show is that a bound was violated.
PANIC = re.compile(r"panic|_fail|slice_index|unwrap_failed|expect_failed|handle_alloc_error|capacity_overflow|handle_error")
COPY = re.compile(r"^(memcpy|memmove|memset|memcmp)(@|$)")
# Of 128 bits.
WIDE_DIVISION = re.compile(r"__u?(div|mod|divmod)ti[34]")
VARIABLE_TIME = re.compile(r"i?div|v?(div|sqrt)[ps][sd]|v?(rcp|rsqrt)|pdep|pext|rep|v?pcmp[ei]str|v?cmpxchg")
SETS_FLAGS = re.compile(
    r"(add|sub|and|or|xor|cmp|test|neg|inc|dec|adc|sbb|adox|adcx|shl|shr|sar|sal|rol|ror|rcl|rcr|shld|shrd|bt|bts|btr|btc|bsf|bsr|"
    r"imul|mul|lzcnt|tzcnt|popcnt|andn|bextr|bls[a-z]+|bzhi|v?ptest|v?u?comis[sd]|kortest[bwdq]|ktest[bwdq]|xadd)$")
# Legacy instructions that overwrite their first operand; all others read it as well.
OVERWRITES = re.compile(r"(mov[a-z0-9]*|lea|set[a-z]+|lzcnt|tzcnt|popcnt|bsf|bsr|andn|bextr|bls[a-z]+|bzhi|rorx|sarx|shlx|shrx|cvt[a-z0-9]+|"
                        r"pshuf[dlhw]+|pmovmskb|movmskp[sd]|pextr[bwdq]|lddqu)$")
# Instructions with a VEX or EVEX prefix that read it.
VEX_READS = re.compile(r"v(fn?m(add|sub)|pmadd52|pternlog|perm[it]2|pdp|pgather|gather|pinsr.*mask|pexpand|pcompress|fixupimm|pshrdv|pshldv)")


def top(*kinds):
    """Of what is computed from these; a pointer and a number make a pointer."""
    if S in kinds:
        return S
    if MIXED in kinds:
        return 0 if 0 in kinds else MIXED
    if any(isinstance(k, Fields) for k in kinds):
        return 0
    frames = [k for k in kinds if isinstance(k, Frame)]
    levels = [k for k in kinds if not isinstance(k, (Frame, Code)) and k != N]
    if frames:
        return Frame(frames[0].base if len(frames) == 1 else None, None) if not levels else 0
    return min(levels, default=N)


def meet(a, b):
    """Where two paths join."""
    if a == b:
        return a
    if isinstance(a, Frame) and isinstance(b, Frame):
        return Frame(a.base if a.base == b.base else None, None)
    return top(a, b) if not isinstance(a, Frame) and not isinstance(b, Frame) else S if S in (a, b) else 0


class State:
    def __init__(self, registers, flags=N, slots=None, lost=False):
        self.registers, self.flags, self.slots, self.lost = registers, flags, slots or {}, lost

    def copy(self):
        return State(dict(self.registers), self.flags, dict(self.slots), self.lost)

    def join(self, other):
        """True if this state became more general."""
        changed = False
        for key in set(self.registers) | set(other.registers):
            joined = meet(self.registers.get(key, N), other.registers.get(key, N))
            changed |= joined != self.registers.get(key, N)
            self.registers[key] = joined
        for key in set(self.slots) | set(other.slots):
            # Not written on one of the paths: garbage there.
            joined = meet(self.slots.get(key, other.slots.get(key)), other.slots.get(key, self.slots.get(key)))
            changed |= self.slots.get(key) != joined
            self.slots[key] = joined
        flags, lost = meet(self.flags, other.flags), self.lost or other.lost
        changed |= flags != self.flags or lost != self.lost
        self.flags, self.lost = flags, lost
        return changed


MEMORY = re.compile(r"(?:(\w+) PTR )?(?:[cdefgs]s:)?\[([^]]*)\]")
WIDTHS = dict(BYTE=1, WORD=2, DWORD=4, QWORD=8, XMMWORD=16, YMMWORD=32, ZMMWORD=64)


class Memory:
    def __init__(self, text):
        m = MEMORY.search(text)
        self.width = WIDTHS.get(m[1], 8)
        self.broadcast = "{1to" in text
        self.registers, self.offset = [], 0
        for sign, term in re.findall(r"([+-]?)([^+-]+)", m[2]):
            register, _, scale = term.partition("*")
            if register in GPR or VECTOR.match(register) or register in ("rip", "eip", "riz"):
                self.registers.append((register, int(scale or "1", 0)))
            else:
                self.offset += int(sign + term, 0)


class Function:
    """One function's instructions, and what it starts with: kinds of registers, by name. `callees`: names of functions
    that may be called; `harmless`: comparisons that are of public values only; `constants`: the program's read-only words."""

    def __init__(self, name, insns, start, pointers, callees, harmless=(), constants=None):
        self.name, self.insns, self.pointers, self.callees, self.harmless = name, insns, pointers, callees, harmless
        self.constants = constants
        self.index = {insn.address: i for i, insn in enumerate(insns)}
        registers = {r: N for r in set(GPR.values())}
        registers.update(start)
        registers["rsp"] = Frame("entry", 0)
        self.start = State(registers)
        self.found = {}

    def report(self, insn, what):
        self.found.setdefault((insn.address, what), f"{insn.address:x}: {insn.text.strip()}: {what}")

    def run(self):
        """All that was found, in order of addresses."""
        states, work = {0: self.start}, [0]
        while work:
            at = work.pop()
            state = states[at].copy()
            for to in self.step(at, state):
                if to not in states:
                    states[to] = state.copy()
                    work.append(to)
                elif states[to].join(state):
                    work.append(to)
        return [self.found[key] for key in sorted(self.found)]

    # Reading and writing.

    def value(self, state, operand, vector=False):
        if "[" in operand:
            return self.load(state, Memory(operand), vector)
        operand = operand.split("{")[0]
        if operand in GPR:
            return state.registers[GPR[operand]]
        vector = VECTOR.match(operand)
        if vector:
            return state.registers.get("v" + vector[1], N)
        if re.match(r"k\d$", operand):
            return state.registers.get(operand, N)
        return N

    def address(self, state, memory):
        parts = []
        for register, scale in memory.registers:
            if register in ("rip", "eip"):
                return "rip"
            if register == "riz":
                continue
            vector = VECTOR.match(register)
            kind = state.registers.get("v" + vector[1], N) if vector else state.registers[GPR[register]]
            # What is scaled is an index.
            parts.append(N if scale != 1 and kind != S else kind)
        if len(parts) == 1 and isinstance(parts[0], Fields):
            return 1 + dict(parts[0].levels).get(memory.offset, 0)
        if len(parts) == 1 and isinstance(parts[0], Frame) and parts[0].offset is not None:
            return Frame(parts[0].base, parts[0].offset + memory.offset)
        return top(*parts)

    def load(self, state, memory, vector=False):
        where = self.address(state, memory)
        if where == "rip":
            return N
        if where == MIXED:
            return S if vector else MIXED
        if where in (S, N, 0):
            return S
        if isinstance(where, Frame):
            if where.offset is None:
                return S if state.lost else top(*state.slots.values())
            first = where.offset // 8
            slots = [state.slots.get((where.base, s)) for s in range(first, (where.offset + memory.width - 1) // 8 + 1)]
            known = [s for s in slots if s is not None]
            if not known:
                # Above the return address are arguments.
                return S if state.lost and not (where.base == "entry" and where.offset >= 8) else 0
            return known[0] if len(slots) == 1 else top(*known)
        return where - 1

    def store(self, state, memory, kind):
        where = self.address(state, memory)
        if isinstance(where, Frame):
            if where.offset is None:
                state.lost |= kind == S
                return
            for slot in range(where.offset // 8, (where.offset + memory.width - 1) // 8 + 1):
                partial = memory.width < 8
                old = state.slots.get((where.base, slot), N)
                state.slots[where.base, slot] = top(kind, old) if partial and old == S else kind

    def write(self, state, operand, kind):
        if "[" in operand:
            self.store(state, Memory(operand), kind)
            return
        operand = operand.split("{")[0]
        if operand in GPR:
            state.registers[GPR[operand]] = kind
        elif VECTOR.match(operand):
            state.registers["v" + VECTOR.match(operand)[1]] = kind
        elif re.match(r"k\d$", operand):
            state.registers[operand] = kind

    # Instructions.

    def step(self, at, state):
        """Changes the state; returns where it goes on."""
        insn = self.insns[at]
        op, args = insn.op, insn.args
        for operand in args:
            if "[" in operand and op not in ("lea", "nop") and self.address(state, Memory(operand)) == S:
                self.report(insn, "an address depends on a secret")
        if op == "ret" or op in ("ud2", "hlt", "int3"):
            return []
        if op == "jmp":
            if insn.target in self.index:
                return [self.index[insn.target]]
            if insn.target is not None or insn.pointer in self.pointers:
                return self.call(insn, state, [])
            places = self.table(at)
            if not places:
                self.report(insn, "an indirect jump")
            return places
        if op.startswith("j") or op.startswith("loop"):
            if state.flags == S or op in ("jrcxz", "jecxz") and state.registers["rcx"] == S:
                self.report(insn, "a jump depends on a secret")
            taken = [self.index[insn.target]] if insn.target in self.index else []
            return taken + [at + 1]
        if op == "call":
            return self.call(insn, state, [at + 1])
        self.compute(insn, state)
        return [at + 1] if at + 1 < len(self.insns) else []

    def table(self, at):
        """Where a jump through a table of distances goes: `lea t, [rip + ..]; movsxd r, [t + 4 i]; add r, t; jmp r`, others
        between them. A secret i is found at the load, as a secret address. What lies behind the table counts as its entry
        if it leads into the function: too much is followed, never too little."""
        register = self.insns[at].args[0] if self.insns[at].args else None
        base, loaded = None, False
        for insn in reversed(self.insns[max(0, at - 16):at]):
            if insn.op.startswith("j") or insn.op in ("call", "ret"):
                return []
            if insn.op == "add" and insn.args[0] == register and base is None:
                base = insn.args[1]
            elif insn.op == "movsxd" and insn.args[0] == register and base:
                loaded = [base, 1] == list(Memory(insn.args[1]).registers[0])[:2]
            elif insn.op == "lea" and insn.args[0] == base and loaded and insn.pointer is not None:
                places, entry = [], insn.pointer
                while self.constants and (distance := self.constants(entry)) is not None:
                    if insn.pointer + distance not in self.index:
                        break
                    places.append(self.index[insn.pointer + distance])
                    entry += 4
                return sorted(set(places))
        return []

    def call(self, insn, state, after):
        name = insn.text.split("<", 1)[1].rsplit(">", 1)[0] if insn.target is not None and "<" in insn.text else "?"
        if insn.target is None:
            callee = state.registers.get(GPR.get(insn.args[0]))
            name = callee.name if isinstance(callee, Code) else self.pointers.get(insn.pointer, "?")
        if PANIC.search(name):
            return []
        arguments = [state.registers[r] for r in ("rdi", "rsi", "rdx")]
        if COPY.match(name):
            if S in (arguments if "memset" not in name else [arguments[0], arguments[2]]):
                self.report(insn, "a copy whose length or place is secret")
            if isinstance(arguments[0], Frame):
                state.lost |= "memset" not in name or arguments[1] == S
        elif WIDE_DIVISION.match(name):
            if S in (*arguments, state.registers["rcx"]):
                self.report(insn, "a division whose time depends on a secret")
        elif not re.search(self.callees, name):
            self.report(insn, "a call that is not known")
        result = state.registers["rdi"] if COPY.match(name) else S
        for register in CALLER_SAVED:
            state.registers[register] = N
        for vector in range(32):
            state.registers[f"v{vector}"] = S
        state.registers["rax"], state.flags = result, N
        return after

    def compute(self, insn, state):
        op, args = insn.op, insn.args
        if op.startswith("nop") or op in ("endbr64", "vzeroupper", "vzeroall", "cld", "lfence"):
            return
        if op == "push":
            self.move_stack(state, -8)
            self.store(state, Memory("QWORD PTR [rsp]"), self.value(state, args[0]))
            return
        if op == "pop":
            kind = self.load(state, Memory("QWORD PTR [rsp]"))
            self.move_stack(state, 8)
            self.write(state, args[0], kind)
            return
        if op == "leave":
            state.registers["rsp"] = state.registers["rbp"]
            return
        if op == "lea":
            memory = Memory(args[1])
            kind = self.address(state, memory)
            # Of constants of the program; level 9 stays public however often it is followed.
            self.write(state, args[0], 9 if kind == "rip" else kind)
            return
        if args and args[0] in ("rsp", "rbp") and op in ("add", "sub", "and") and isinstance(self.value(state, args[0]), Frame):
            frame = self.value(state, args[0])
            if op == "and":
                state.registers[args[0]] = Frame("aligned", 0)
            else:
                state.registers[args[0]] = self.pointer_sum(op, [frame, N], args)
            return
        plain = [a.split("{")[0] for a in args]
        vector = bool(args and (VECTOR.match(plain[0]) or plain[0][:1] == "k"))
        kinds = [self.value(state, a, vector) for a in args]
        if op == "mov" and insn.pointer in self.pointers:
            kinds[1] = Code(self.pointers[insn.pointer])
        if op in ("xor", "sub", "pxor", "xorps", "xorpd") and len(args) == 2 and plain[0] == plain[1]:
            self.write(state, args[0], N)
            state.flags = N
            return
        if op.startswith(("vpxor", "vxorp")) and len(plain) == 3 and plain[1] == plain[2]:
            self.write(state, args[0], N)
            return
        if VARIABLE_TIME.match(op):
            used = kinds + [state.registers[r] for r in ("rax", "rdx") if op in ("div", "idiv")]
            used += [state.registers["rcx"]] if op.startswith("rep") else []
            if S in used:
                self.report(insn, "an instruction whose time may depend on a secret operand")
        mask = [state.registers.get(k, N) for k in re.findall(r"\{(k\d)\}", " ".join(args))]
        if re.match(r"v?p?(gather|scatter)", op) and S in mask:
            self.report(insn, "an address depends on a secret")
        vex = op.startswith("v") or op.startswith("k")
        if op.startswith("cmov"):
            self.write(state, args[0], S if S in (*kinds, state.flags) else meet(*kinds))
            return
        if op.startswith("set"):
            self.write(state, args[0], S if state.flags == S else N)
            return
        if op in ("mul", "div", "idiv") or op == "imul" and len(args) == 1:
            kind = top(state.registers["rax"], *kinds, *([state.registers["rdx"]] if op in ("div", "idiv") else []))
            kind = S if kind == S else N
            state.registers["rax"] = state.registers["rdx"] = state.flags = kind
            return
        if op in ("cdq", "cqo", "cdqe", "cwde"):
            if op in ("cdq", "cqo"):
                state.registers["rdx"] = S if state.registers["rax"] == S else N
            return
        if op == "mulx":
            kind = S if S in (state.registers["rdx"], kinds[2]) else N
            self.write(state, args[0], kind)
            self.write(state, args[1], kind)
            return
        if op == "xchg":
            self.write(state, args[0], kinds[1])
            self.write(state, args[1], kinds[0])
            return
        flags = state.flags
        reads_flags = op in ("adc", "sbb", "rcl", "rcr", "adcx", "adox")
        if SETS_FLAGS.match(op):
            secret = S in kinds or reads_flags and flags == S
            state.flags = S if secret and op not in self.harmless else N
        if op in ("cmp", "test") or re.match(r"v?ptest|v?u?comis|kortest|ktest|bt$", op):
            return
        reads_first = len(args) == 1 or (
            bool(VEX_READS.match(op)) if vex else not OVERWRITES.match(op) and not (op == "imul" and len(args) == 3))
        if mask and "{z}" not in args[0]:
            reads_first = True
        sources = kinds if reads_first else kinds[1:]
        kind = top(*sources, *mask, *([flags] if reads_flags else []))
        if op in ("add", "sub", "inc", "dec", "and", "or", "xor"):
            kind = self.pointer_sum(op, kinds, args)
        elif kind != S and not (re.match(r"v?mov|vpbroadcastq|vinsert|vextract|vpunpcklqdq|punpcklqdq|shufp|vshufp", op)):
            # A product or a shift of public numbers is one, and never followed.
            kind = N
        elif len(args) == 2 and len(kinds) == 2 and not reads_first:
            kind = top(kinds[1], *mask) if mask else kinds[1]
        if args:
            self.write(state, args[0], kind)

    def move_stack(self, state, by):
        frame = state.registers["rsp"]
        if isinstance(frame, Frame) and frame.offset is not None:
            state.registers["rsp"] = Frame(frame.base, frame.offset + by)

    @staticmethod
    def pointer_sum(op, kinds, args):
        """A pointer and an offset make a pointer to the same levels."""
        frame = kinds[0]
        if op in ("add", "sub") and isinstance(frame, Frame) and frame.offset is not None:
            amount = re.match(r"(0x)?[0-9a-f]+$", args[1])
            if amount and args[1] not in GPR:
                by = int(args[1], 0)
                # Written without a sign: 64 bits.
                by -= 1 << 64 if by >> 63 else 0
                return Frame(frame.base, frame.offset + (by if op == "add" else -by))
        return top(*kinds)


def parse(line):
    """An instruction of `objdump -d -M intel --no-show-raw-insn -C`."""
    address, _, text = line.partition(":\t")
    text, _, comment = text.partition(" #")
    words = re.sub(r"\b(bnd|notrack|lock) ", "", text).split(None, 1)
    if not words:
        return None
    op, rest = words[0], words[1].strip() if len(words) > 1 else ""
    if op.startswith("rep"):
        op, _, rest = "rep " + rest.split()[0], "", rest.partition(" ")[2]
    if "nop" in rest.split() and op in ("data16", "cs"):
        # Padding of any length: its operand is never read.
        op, rest = "nop", ""
    target = re.match(r"([0-9a-f]+) ?(<|$)", rest) if op.startswith("j") or op == "call" else None
    args = [] if target else [re.sub(r"<.*>", "", a).strip() for a in re.split(r",(?![^\[]*\])", rest) if a]
    pointer = re.match(r" *([0-9a-f]+) <", comment)
    number = int(target[1], 16) if target else None
    return Insn(int(address.strip(), 16), op, args, text, number, int(pointer[1], 16) if pointer else None)


def pointers(relocations, symbols):
    """The functions that words of the program point to, from `readelf -rW` and `nm -C`."""
    at = {}
    for line in symbols.splitlines():
        m = re.match(r"([0-9a-f]+) [tTwW] (.*)", line)
        if m:
            at[int(m[1], 16)] = m[2]
    found = {}
    for line in relocations.splitlines():
        m = re.match(r"([0-9a-f]+) +[0-9a-f]+ R_X86_64_(?:GLOB_DAT|JUMP_SLOT) +[0-9a-f]+ (\S+)", line)
        relative = re.match(r"([0-9a-f]+) +[0-9a-f]+ R_X86_64_RELATIVE +([0-9a-f]+)", line)
        if m:
            found[int(m[1], 16)] = m[2]
        elif relative and int(relative[2], 16) in at:
            found[int(relative[1], 16)] = at[int(relative[2], 16)]
    return found


def constants(binary):
    """The signed 32-bit word at an address of the program's segments that are not writable; None elsewhere."""
    data = open(binary, "rb").read()
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    segments = []
    for i in range(count):
        kind, flags, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, start + i * size)
        if kind == 1 and not flags & 2:
            segments.append((address, length, offset))

    def word(at):
        for address, length, offset in segments:
            if address <= at and at + 4 <= address + length:
                return struct.unpack_from("<i", data, offset + at - address)[0]
        return None

    return word
