import ShardKit
import TestKit
import Testing

/// A broken promise fails the test.
func promise(_ isKept: Bool, _ text: String) {
  #expect(isKept, "broken: \(text)")
}

/// Every target over what once failed, over damaged seeds, and over small inputs.
@Suite struct FuzzTests {
  static let findings = targets.keys.sorted().flatMap { name in Findings.paths(of: name).map { Finding(name, $0) } }

  struct Finding: CustomTestStringConvertible {
    var target: String
    var path: String
    var testDescription: String { "\(target)/\(path.split(separator: "/").last ?? "")" }

    init(_ target: String, _ path: String) { (self.target, self.path) = (target, path) }
  }

  @Test("What once failed does not fail again", arguments: findings)
  func finding(_ finding: Finding) throws {
    let target = try #require(targets[finding.target])
    let input = try FileSystem.read(finding.path)
    for cut in [0, 1, 2, input.count / 2] where cut < max(1, input.count) { target.run(Array(input.dropLast(cut))) }
  }

  @Test("Findings lie in folders named as targets")
  func folders() throws {
    let known = try FileSystem.list(Findings.root).filter { FileSystem.isDirectory(Findings.root + "/" + $0) }
    #expect(known.allSatisfy { targets[$0] != nil })
  }

  /// Stages write files, and the trainer has tables of all characters: they take fewer inputs.
  private func isSlow(_ name: String) -> Bool { name.hasPrefix("stage-") || name == "training-words" }

  /// Some seeds as they are, then damaged ones.
  @Test("No damaged seed fails a target", arguments: targets.keys.sorted())
  func damagedSeeds(_ name: String) throws {
    let target = try #require(targets[name])
    let seeds = try target.seeds()
    #expect(!seeds.isEmpty)
    for seed in seeds.prefix(isSlow(name) ? 4 : 40) { target.run(seed) }
    var mutations = Mutations(of: seeds.map { Array($0.prefix(1024)) }, words: target.words)
    for _ in Mutations.rounds(isSlow(name) ? 4 : 40) { target.run(mutations.next()) }
  }

  @Test("No input of one or two bytes and no run of one byte fails a target", arguments: targets.keys.sorted())
  func smallInputs(_ name: String) throws {
    let target = try #require(targets[name])
    target.run([])
    let seconds: [UInt8] = isSlow(name) ? [0x0A, 0x7B] : [0, 0x0A, 0x1F, 0x3C, 0x5B, 0x7B, 0x80, 0xEF, 0xFF]
    for first in UInt8(0)..<(isSlow(name) ? 1 : 6) {
      target.run([first])
      for second in seconds {
        target.run([first, second])
        target.run([first] + [UInt8](repeating: second, count: 300))
      }
    }
  }
}
