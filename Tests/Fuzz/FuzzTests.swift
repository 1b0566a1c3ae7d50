import ShardKit
import TestKit
import Testing

/// A broken promise fails the test.
func promise(_ isKept: Bool, _ text: String) {
  #expect(isKept, "broken: \(text)")
}

/// Every target over what once failed, over small changes of it, and over small inputs.
@Suite struct FuzzTests {
  private static let findings: [(target: String, path: String)] = {
    let root = packagePath("Tests/Fuzz/Findings")
    let paths = (try? FileSystem.walk(root)) ?? []
    return paths.compactMap { path in
      let parts = path.split(separator: "/")
      guard parts.count >= 2, targets[String(parts[parts.count - 2])] != nil else { return nil }
      return (String(parts[parts.count - 2]), path.hasPrefix("/") ? path : root + "/" + path)
    }
  }()

  @Test("What once failed does not fail again", arguments: findings.map(\.path))
  func finding(_ path: String) throws {
    let name = try #require(Self.findings.first { $0.path == path }?.target)
    let target = try #require(targets[name])
    let input = try FileSystem.read(path)
    for cut in [0, 1, 2, input.count / 2] where cut < input.count { target(Array(input.dropLast(cut))) }
  }

  @Test("No input of one or two bytes and no run of one byte fails a target", arguments: targets.keys.sorted())
  func smallInputs(_ name: String) throws {
    let target = try #require(targets[name])
    target([])
    for first in UInt8(0)..<6 {
      target([first])
      for second in [UInt8(0), 0x0A, 0x1F, 0x3C, 0x5B, 0x7B, 0x80, 0xEF, 0xFF] {
        target([first, second])
        target([first] + [UInt8](repeating: second, count: 300))
      }
    }
  }
}
