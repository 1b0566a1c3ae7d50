import PipelineKit
import ShardKit

/// The measures of one file's documents, one value per document and column, in the documents' order.
struct SignalTable {
  enum Column {
    case numbers([Double])
    case texts(CodedTexts)
  }

  private(set) var rows: Int
  private(set) var columns: [String: Column] = [:]

  /// Reads columns of signals files and puts their rows into the order of the documents.
  /// - Parameters:
  ///   - hashes: `recordHash` of the documents' ids, in order.
  ///   - wanted: names of columns; those that no file has stay absent.
  /// - Throws: `StageError` (`.input`) if a file lacks a document; what `SignalsReader` throws.
  init(hashes: [UInt64], files: [ArtifactFile], wanted: Set<String>) throws {
    rows = hashes.count
    for file in files {
      let reader = try SignalsReader(file.path)
      let found = reader.columns.indices.filter {
        wanted.contains(reader.columns[$0].name) && columns[reader.columns[$0].name] == nil
      }
      guard !found.isEmpty else { continue }
      let order = try Self.order(of: hashes, reader, file)
      for number in found { columns[reader.columns[number].name] = try Self.column(number, reader, order) }
    }
  }

  /// Where each document stands in a signals file; nil if both have the same order.
  private static func order(of hashes: [UInt64], _ reader: SignalsReader, _ file: ArtifactFile) throws -> [Int]? {
    var scored: [UInt64] = []
    scored.reserveCapacity(reader.rows)
    for block in reader.blocks.indices { scored += try reader.hashes(block: block) }
    if scored == hashes { return nil }
    // Documents with the same id are taken in their order, if all of them are there.
    var first: [UInt64: Int] = [:]
    var following = [Int](repeating: -1, count: scored.count)
    for row in scored.indices.reversed() {
      following[row] = first[scored[row]] ?? -1
      first[scored[row]] = row
    }
    var wanted: [UInt64: Int] = [:]
    for hash in hashes { wanted[hash, default: 0] += 1 }
    var repeated: [UInt64: Int] = [:]
    for row in scored.indices where following[row] >= 0 { repeated[scored[row], default: 1] += 1 }
    for (hash, count) in repeated {
      guard count == wanted[hash] ?? count else {
        throw StageError(
          .input, file.name,
          "has measures of \(count) documents with one id, of which \(wanted[hash]!) are judged: it is not known which",
          hint: "Remove repeated ids, as with dedupe.exact, before documents are scored.")
      }
    }
    return try hashes.enumerated().map { place, hash in
      guard let row = first[hash] else {
        throw StageError(
          .input, file.name, "has no measures of document \(place + 1) of the file that is judged",
          hint: "Wire the scoring stage to the documents that this stage reads, or to what they were selected from.")
      }
      if following[row] >= 0 { first[hash] = following[row] }
      return row
    }
  }

  private static func column(_ number: Int, _ reader: SignalsReader, _ order: [Int]?) throws -> Column {
    switch reader.columns[number].kind {
    case .number:
      var all: [Double] = []
      all.reserveCapacity(reader.rows)
      for block in reader.blocks.indices { all += try reader.numbers(number, block: block) }
      return .numbers(order.map { $0.map { all[$0] } } ?? all)
    case .text:
      var all = CodedTexts(values: [], codes: [])
      var codes: [ExactText: UInt32] = [:]
      for block in reader.blocks.indices {
        let part = try reader.texts(number, block: block)
        let renumbered = part.values.map { value -> UInt32 in
          if let code = codes[ExactText(value)] { return code }
          codes[ExactText(value)] = UInt32(all.values.count)
          all.values.append(value)
          return UInt32(all.values.count - 1)
        }
        all.codes += part.codes.map { renumbered[Int($0)] }
      }
      if let order { all.codes = order.map { all.codes[$0] } }
      return .texts(all)
    }
  }

  func numbers(_ name: String) -> [Double]? {
    if case .numbers(let numbers)? = columns[name] { numbers } else { nil }
  }

  func texts(_ name: String) -> CodedTexts? {
    if case .texts(let texts)? = columns[name] { texts } else { nil }
  }
}
