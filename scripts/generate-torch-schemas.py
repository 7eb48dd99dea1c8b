"""Writes src/ir/other-schemas.generated.ts from the operator registry of the installed PyTorch: all schemas, none of which is common yet.

Run: python scripts/generate-torch-schemas.py && npm run schemas, which moves those of common operators to src/ir/common-schemas.generated.ts.
Overloads of one name stay in registration order, because the choice of an overload is first fit.
"""

import pathlib

import torch

# Namespaces that only compilers and distributed training register: no archive holds a call of them.
DROPPED = {
    "symm_mem", "c10d", "_c10d_functional", "_c10d_functional_autograd", "inductor", "inductor_prims", "static_runtime",
    "mkl", "mkldnn", "mkldnn_prepacked", "onednn", "debugprims", "debug_mode_ops", "rngprims", "_dtensor",
    "_native", "_test", "export", "onnx",
}

names: dict[str, None] = {}
for schema in torch._C._jit_get_all_schemas():
    if schema.name.split("::")[0] not in DROPPED:
        names.setdefault(schema.name)

lines = []
for name in names:
    for schema in torch._C._jit_get_schemas_for_operator(name):
        lines.append(str(schema))

text = "\n".join(lines)
assert "`" not in text and "${" not in text
text = text.replace("\\", "\\\\")
ir = pathlib.Path(__file__).parent.parent / "src" / "ir"


def write(table: str, header: str, lines: str) -> None:
    (ir / f"{table}-schemas.generated.ts").write_text(f"/** {header} */\n\nexport const {table.upper()}_TORCH_SCHEMAS: string = `\n{lines}`;\n")


write("other", f"From PyTorch {torch.__version__.split('+')[0]}: run `npm run schemas`.", f"{text}\n")
write("common", "Run `npm run schemas`.", "")
print(f"{len(lines)} schemas, {len(names)} names")
