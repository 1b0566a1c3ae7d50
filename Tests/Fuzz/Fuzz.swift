import Glibc
import ShardKit

/// The program that `Tests/Fuzz/run` builds: libFuzzer's driver over one target, which `FUZZ_TARGET` names.
///
/// A trap, a hang, memory without bound or a broken `promise` is a finding. Errors that are thrown are not.
/// `FUZZ_TARGET=list` prints the targets. With `FUZZ_SEEDS` the target's seeds are written to that folder, and its words
/// beside it as a dictionary, instead of running.

private typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<Arguments>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

nonisolated(unsafe) private var target = FuzzTarget { _ in }

/// The package manager makes this the program's `main`.
@_cdecl("fuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
  let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
  if name == "list" {
    for name in targets.keys.sorted() { print(name) }
    return 0
  }
  guard let found = targets[name] else {
    complain("set FUZZ_TARGET to one of \(targets.keys.sorted().joined(separator: ", "))")
    return 2
  }
  target = found
  if let folder = getenv("FUZZ_SEEDS").map({ String(cString: $0) }) { return writeSeeds(name, folder) }
  var (count, arguments) = (count, arguments)
  return runDriver(&count, &arguments) { bytes, count in
    target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
  }
}

private func writeSeeds(_ name: String, _ folder: String) -> CInt {
  do {
    var seeds = try target.seeds()
    for path in Findings.paths(of: name) { seeds.append(try FileSystem.read(path)) }
    for (number, seed) in seeds.enumerated() { put(seed, "\(folder)/seed-\(number)") }
    let lines = target.words.map { word in
      "\"" + word.utf8.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\"\n"
    }
    put(Array(lines.joined().utf8), folder + ".dictionary")
    return 0
  } catch {
    complain("the seeds of \(name) cannot be written: \(error)")
    return 2
  }
}

/// Ends the process where a promise is broken, which is libFuzzer's finding.
func promise(_ isKept: Bool, _ text: String) {
  guard isKept else {
    complain("broken: \(text)")
    abort()
  }
}

private func complain(_ text: String) {
  let line = Array("fuzz: \(text)\n".utf8)
  _ = Glibc.write(STDERR_FILENO, line, line.count)
}
