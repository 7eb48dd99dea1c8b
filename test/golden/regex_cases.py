"""Random patterns in RE2's notation with what RE2 (inside onnxruntime) says: `python regex_cases.py regex.json`.

Per pattern: texts, whether the whole of each matches, and the tokens it finds in each; null where RE2 refuses the pattern. (Tokenizer has a
meaning of its own for the bare pattern `.`, so that is asked for in a group.)
"""

import json
import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

ort.set_default_logger_severity(4)
ALPHABET = ["a", "b", "c", "A", "B", "0", "7", " ", "\n", "\t", "_", "-", ".", "é", "ß", "Ω", "ſ", "K", "日"]
FIXED = [
    "a*", "(a|ab)(c|bcd)(d*)", "(a*)*", "(a*)+b", "(a|b)*?c", "a{2,3}", "a{2,}?", "a{0}", "a{,2}", "a{1001}", "(?i)straße", "(?i)k", "(?i)[k-m]", "(?i)ſ", "(?i)[^a]", "(?-i)A", "(?i:a)B",
    r"\bab\b", r"a\Bb", "^a$", "(?m)^a$", "(?m)a$\nb", r"\Aab\z", "$a", "a^", ".*", "(?s).*", r"\d+\w*", r"\D\W\S", r"[\d_]+", r"[^\W]+", r"\pL+", r"\p{Greek}", r"\P{L}", r"\p{^Lu}", r"\p{Han}", r"[[:word:]]+",
    "[[:^digit:]]+", "[a-", "[b-a]", "[]a]", "[^]a]", "[a-]+", "[-a]+", "[[:foo:]]", r"\Qa.b\E", r"\Q*", r"\x41", r"\x{3a9}", r"\101", r"\1", r"\8", r"\a\f\n\r\t\v", r"\y", "a**", "a+?", "a??b", "*a", "(", ")", "(?P<n>a)", "(?<n>a)",
    "(?P<n>a)(?P<n>b)", "(?:a|b)+", "(?=a)", "(?<=a)b", "(?!a)", "(?U)a+", "(?U)a+?b", "a|", "|a", "()", "(|a)+", r"\C", r"[\-\]\\]+", "a{1}{2}", "x*y*z*", "((a+)+)+b", "(a?){20}a{20}", "[a-zA-Z]+", r"\_", r"\-", r"\é", "é+", "{a}", "a}", "]", r"\pN", r"\p{Latin}+", r"\p{Foo}", "(?z)a", "(?i-s)A", r"\s", r"[\s]", r"\v", "(?:", "a{2", "a{2,1}", r"[\p{L}0-9]+", r"\b", r"(?i)\x{212A}",
]


def random_pattern(r, depth=0):
    kind = r.integers(0, 11 if depth < 3 else 5)
    if kind < 4:
        c = ALPHABET[r.integers(len(ALPHABET))]
        return "\\" + c if c in ".-" else c
    if kind == 4:
        return str(r.choice([".", r"\d", r"\w", r"\S", "[a-c]", "[^a]", r"\b", "[[:alpha:]]", "^", "$", r"\pL", "(?:)"]))
    inner = lambda: random_pattern(r, depth + 1)
    if kind < 8:
        return "".join(inner() for _ in range(r.integers(1, 4)))
    if kind == 8:
        return f"(?:{inner()}|{inner()})"
    flags = str(r.choice(["", "", "?i", "?s", "?U"]))
    body = f"({flags}{':' if flags else ''}{inner()})"
    return body + str(r.choice(["*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}", ""]))


def session(op, domain, pattern, attribute):
    extra = {} if domain == "" else {"mark": 0, "mincharnum": 1, "pad_value": "\x00"}
    node = helper.make_node(op, ["x"], ["y"], domain=domain, **{attribute: pattern}, **extra)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.STRING, [None])], [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)], ir_version=10)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def main():
    r = np.random.default_rng(14)
    cases = []
    for pattern in [*FIXED, *(random_pattern(r) for _ in range(400))]:
        texts = ["", "a", "ab", "a\nb", *("".join(ALPHABET[i] for i in r.integers(0, len(ALPHABET), size=r.integers(1, 9))) for _ in range(4))]
        given = np.array(texts, dtype=object)
        try:
            whole = session("RegexFullMatch", "", pattern, "pattern").run(None, {"x": given})[0]
            found = [[str(t) for t in row if t != "\x00"] for row in (session("Tokenizer", "com.microsoft", "(?:.)" if pattern == "." else pattern, "tokenexp").run(None, {"x": given})[0])] if pattern else None
        except Exception:
            cases.append([pattern, None])
            continue
        cases.append([pattern, [[t, bool(w), f] for t, w, f in zip(texts, whole, found or [[]] * len(texts))]])
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases) + "\n]\n")


main()
