/// Characters of JIS X 0213:2004 by plane, row and cell (面区点), as used in gaiji notes.
public struct JISX0213: Sendable {
  public static let shared = JISX0213()

  private let scalars: [UInt32]
  /// The 25 cells that consist of two scalars, such as 1-5-87 カ゚.
  private let sequences: [Int: String]

  private init() {
    var scalars = [UInt32](repeating: 0, count: 2 * 94 * 94)
    JISTables.forEachCell(of: JISTables.shared, JISTables.jisX0213) { plane, row, cell, scalar in
      scalars[Self.index(plane, row, cell)!] = scalar.value
    }
    var sequences: [Int: String] = [:]
    for line in JISTables.jisX0213Sequences.split(separator: "\n") {
      let words = line.split(separator: " ")
      let address = words[0].split(separator: "-").map { Int($0)! }
      let text = words.dropFirst().map { Unicode.Scalar(UInt32($0, radix: 16)!)! }
      var string = ""
      string.unicodeScalars.append(contentsOf: text)
      sequences[Self.index(address[0], address[1], address[2])!] = string
    }
    self.scalars = scalars
    self.sequences = sequences
  }

  private static func index(_ plane: Int, _ row: Int, _ cell: Int) -> Int? {
    guard 1...2 ~= plane, 1...94 ~= row, 1...94 ~= cell else { return nil }
    return ((plane - 1) * 94 + row - 1) * 94 + cell - 1
  }

  /// The character's text; nil if the standard assigns none.
  public func text(plane: Int, row: Int, cell: Int) -> String? {
    guard let index = Self.index(plane, row, cell) else { return nil }
    if let sequence = sequences[index] { return sequence }
    guard scalars[index] != 0, let scalar = Unicode.Scalar(scalars[index]) else { return nil }
    return String(scalar)
  }
}
