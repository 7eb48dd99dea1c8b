/** Names of devices as PyTorch reads them: `cpu`, `cuda:1`. */

import { OpwiseError } from "./error.ts";

const DEVICES: readonly string[] = [
  "cpu",
  "cuda",
  "ipu",
  "xpu",
  "mkldnn",
  "opengl",
  "opencl",
  "ideep",
  "hip",
  "ve",
  "fpga",
  "maia",
  "xla",
  "lazy",
  "vulkan",
  "mps",
  "meta",
  "hpu",
  "mtia",
  "privateuseone",
];

/** Whether `text` names a device. */
export function isDeviceName(text: string): boolean {
  return DEVICES.includes(/^([a-zA-Z_]+)(?::(?:0|[1-9][0-9]*))?$/.exec(text)?.[1] ?? "");
}

/** Holds a text to the form of a device. @throws runtime-error in PyTorch's words */
export function checkDevice(text: string): void {
  if (isDeviceName(text)) return;
  const refuse = (message: string): never => {
    throw new OpwiseError("runtime-error", message);
  };
  if (text === "") refuse("Device string must not be empty");
  if (!/^[a-zA-Z_]+(?::(?:0|[1-9][0-9]*))?$/.test(text)) refuse(`Invalid device string: '${text}'`);
  refuse(`Expected one of ${DEVICES.join(", ")} device type at start of device string: ${text.split(":")[0] ?? ""}`);
}
