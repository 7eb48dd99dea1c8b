import { describe, expect, it } from "vitest";
import { moduleOfNodeName, moduleOfScopes, moduleOfStack, placesOfStack, placeText } from "./author.ts";

/** As torch.onnx.export and torch.export write it. */
const STACK = `File "net.py", line 8, in forward
    y = s.layers(x).mean((2,3))
  File "/lib/python3.11/site-packages/torch/nn/modules/container.py", line 253, in forward
    input = module(input)
  File "net.py", line 4, in forward
    def forward(s,x): return s.act(s.conv(x))
  File "/lib/python3.11/site-packages/torch/nn/modules/conv.py", line 565, in forward
    return self._conv_forward(input, self.weight, self.bias)`;

describe("what exporters say of the author's source", () => {
  it("is a stack with its lines, innermost first; the author's own line is the innermost outside of PyTorch", () => {
    const places = placesOfStack(STACK);
    expect(places.map((place) => place.line)).toEqual([565, 4, 253, 8]);
    expect(places[3]).toEqual({ file: "net.py", line: 8, text: "y = s.layers(x).mean((2,3))", function: "forward" });
    expect(placeText(places)).toBe("net.py:4, in forward");
    expect(placesOfStack('File "<eval_with_key>.1", line 3, in forward\n    x = y')).toEqual([]);
    expect(placesOfStack('File "a.py", line 3')).toEqual([{ file: "a.py", line: 3, text: undefined, function: undefined }]);
  });

  it("is the innermost module, as each format spells it", () => {
    expect(moduleOfScopes("['', 'layers', 'layers.0', 'layers.0.conv', 'conv2d']")).toBe("layers.0.conv");
    expect(moduleOfScopes("['', 'mean']")).toBe("");
    expect(moduleOfStack("L__self__,,M;L__self___layers_0,layers.0,torch.nn.Conv2d")).toBe("layers.0");
    expect(moduleOfStack("L__self__,L['self'],M;L__self___a,L['self'].a@1,torch.nn.Linear")).toBe("a");
    expect(moduleOfNodeName("/blocks/blocks.0/conv1/Conv")).toBe("blocks.0.conv1");
    expect(moduleOfNodeName("/s0/s0.1/s0.1.2/Mul")).toBe("s0.1.2");
    expect(moduleOfNodeName("/Add")).toBe("");
    expect(moduleOfNodeName("Conv_3")).toBeUndefined();
  });
});
