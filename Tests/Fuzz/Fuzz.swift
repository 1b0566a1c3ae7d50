import Glibc

/// The entry points that libFuzzer calls. `FUZZ_TARGET` names the target; see `Tests/Fuzz/run`.
///
/// A trap, a hang, memory without bound or a broken `promise` is a finding. Errors that are thrown are not.

nonisolated(unsafe) private var target: FuzzTarget = { _ in }

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ count: UnsafeMutablePointer<CInt>?,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>?
) -> CInt {
  let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
  if name == "list" {
    for name in targets.keys.sorted() { print(name) }
    exit(0)
  }
  guard let found = targets[name] else {
    fputs("fuzz: set FUZZ_TARGET to one of \(targets.keys.sorted().joined(separator: ", "))\n", stderr)
    exit(2)
  }
  target = found
  return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  target(Array(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}

/// Ends the process where a promise is broken, which is libFuzzer's finding.
func promise(_ isKept: Bool, _ text: String) {
  guard isKept else {
    fputs("fuzz: broken: \(text)\n", stderr)
    abort()
  }
}
