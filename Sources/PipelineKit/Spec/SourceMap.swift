/// Where each part of a composed document was written: an offset of a node leads to a file, an argument or an expansion.
///
/// The texts stand one behind another in one space of offsets, the document itself first. An expansion is a copy of
/// that space, so that a copied stage keeps its places in the text and says which copy it is.
struct SourceMap: Sendable {
  /// What a message says of an offset.
  struct Place: Sendable, Equatable {
    var file: String
    var line: Int?
    var column: Int?
    /// What gave the value, if it stands in no file.
    var value: String?
    /// Of a stage that `foreach` made: which one.
    var expansion: String?
  }

  private enum Origin: Sendable {
    case file(String, LineTable)
    /// A value of the command line or of a profile, by what named it.
    case value(String)
    /// A copy of everything before the first expansion.
    case expansion(String)
  }

  private var starts: [Int] = []
  private var origins: [Origin] = []
  private(set) var end = 0
  /// The size of what expansions copy.
  private var written = 0

  /// - Returns: what is to be added to the offsets within the text.
  mutating func add(file: String, _ text: [UInt8]) -> Int {
    add(.file(file, LineTable(text)), length: text.count + 1)
  }

  /// - Parameter name: what gave the value, such as `--set data`.
  /// - Returns: the value's offset.
  mutating func add(value name: String) -> Int { add(.value(name), length: 1) }

  /// - Returns: what is to be added to the offsets of the copied nodes.
  mutating func expand(_ note: String) -> Int {
    if written == 0 { written = end }
    return add(.expansion(note), length: written)
  }

  private mutating func add(_ origin: Origin, length: Int) -> Int {
    starts.append(end)
    origins.append(origin)
    defer { end += length }
    return end
  }

  func place(of offset: Int, root: String) -> Place {
    guard let index = index(of: offset) else { return Place(file: root) }
    switch origins[index] {
    case .file(let path, let lines):
      let (line, column) = lines.place(of: offset - starts[index])
      return Place(file: path, line: line, column: column)
    case .value(let name): return Place(file: root, value: name)
    case .expansion(let note):
      var place = place(of: offset - starts[index], root: root)
      place.expansion = note
      return place
    }
  }

  private func index(of offset: Int) -> Int? {
    var low = 0
    var high = starts.count
    while low < high {
      let middle = (low + high) / 2
      if starts[middle] <= offset { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? low - 1 : nil
  }
}
