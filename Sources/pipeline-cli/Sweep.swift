import ArgumentParser
import ShardKit

/// `name=from:to:step` or `name=value,value`
struct Sweep {
  let name: String
  let values: [String]

  /// - Throws: `ValidationError` if the text is neither, or asks for more than 1,000 values.
  init(_ text: String) throws {
    let sides = text.split(separator: "=", maxSplits: 1)
    guard sides.count == 2 else { throw Self.malformed(text) }
    name = String(sides[0])
    let isRange = sides[1].utf8.contains(0x3A) && !sides[1].utf8.contains(0x2C)
    let values: [String] = isRange ? try Self.range(sides[1], text) : Self.list(sides[1])
    let different = Set(values.map { ExactText($0) })
    guard !values.isEmpty, different.count == values.count else { throw Self.malformed(text) }
    self.values = values
  }

  private static func malformed(_ text: String) -> ValidationError {
    ValidationError(
      "--sweep must be name=from:to:step, such as threshold=0.5:0.9:0.05, or name=value,value, not '\(text)'.")
  }

  private static func list(_ text: Substring) -> [String] { text.split(separator: ",").map { String($0) } }

  private static func range(_ range: Substring, _ text: String) throws -> [String] {
    let written = range.split(separator: ":")
    let parts = written.map { Double($0) }
    guard parts.count == 3, let from = parts[0], let to = parts[1], let step = parts[2],
      [from, to, step].allSatisfy(\.isFinite), step > 0, from <= to
    else { throw malformed(text) }
    let count = ((to - from) / step + 1e-9).rounded(.down) + 1
    guard count <= 1000 else {
      throw ValidationError("--sweep asks for \(count) values; at most 1,000 are possible.")
    }
    // As many decimals as the step has: 0.7, not 0.7000000000000001.
    let decimals = written.map { $0.split(separator: ".").dropFirst().first?.count ?? 0 }.max() ?? 0
    return (0..<Int(count)).map { number in
      let value = from + Double(number) * step
      return written.contains { $0.contains("e") || $0.contains("E") } ? "\(value)" : fixed(value, decimals)
    }
  }
}
