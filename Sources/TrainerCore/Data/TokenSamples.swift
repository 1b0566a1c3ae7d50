public import ShardKit

/// The token ids of one or several data sets, with samples numbered across them.
public struct TokenSamples: Sendable {
  public let datasets: [MDSDataset]
  public let samples: Int
  /// Of all data sets together.
  public let shardSamples: [Int]
  private let starts: [Int]
  private let tokenColumns: [Int]
  private let documentColumns: [Int?]

  /// A document in a sample, or a part of one.
  public struct DocumentPart: Equatable, Sendable {
    public var id: String
    /// The number of its tokens before this part.
    public var from: Int
    /// Its places in the sample.
    public var count: Int

    public init(id: String, from: Int, count: Int) {
      self.id = id
      self.from = from
      self.count = count
    }
  }

  /// - Parameter column: a column of one-dimensional integer arrays.
  /// - Throws: `ShardError` if a data set has no such column.
  public init(_ datasets: [MDSDataset], column: String = "input_ids") throws(ShardError) {
    var starts: [Int] = []
    var start = 0
    var tokenColumns: [Int] = []
    for dataset in datasets {
      guard let number = dataset.column(column), case .array = dataset.columns[number].encoding else {
        let names = dataset.columns.map { "'\($0.name)'" }.joined(separator: ", ")
        throw ShardError(
          .unsupported, dataset.name, "no column '\(column)' with arrays of token ids among \(names)",
          hint: "Wire the output of 'tokenizer.encode'.")
      }
      tokenColumns.append(number)
      starts.append(start)
      start += dataset.samples
    }
    self.datasets = datasets
    self.starts = starts
    self.tokenColumns = tokenColumns
    documentColumns = datasets.map { dataset in
      dataset.column("documents").flatMap { dataset.columns[$0].encoding == .json ? $0 : nil }
    }
    shardSamples = datasets.flatMap(\.shardSamples)
    samples = start
  }

  private func place(of sample: Int) -> (dataset: Int, sample: Int) {
    let dataset = starts.lastIndex { $0 <= sample }!
    return (dataset, sample - starts[dataset])
  }

  /// Appends a sample's ids.
  /// - Parameters:
  ///   - limit: more tokens are an error.
  ///   - vocabulary: greater ids and negative ones are an error.
  /// - Throws: `ShardError` if the shard cannot be fetched or read, or the sample does not fit.
  public func append(
    _ sample: Int, to ids: inout [Int32], limit: Int, vocabulary: Int
  ) throws(ShardError) {
    let (dataset, number) = place(of: sample)
    let data = datasets[dataset]
    try data.withArray(tokenColumns[dataset], of: number) { (array) throws(ShardError) in
      let count = array.bytes.count / array.type.bytes
      guard count <= limit else {
        throw ShardError(
          .tooLarge, data.name, "sample \(number) has \(count) tokens, the sequence length is \(limit)",
          hint: "Raise the sequence length, or tokenize with 'sequenceLength' \(limit).")
      }
      guard array.shape.count == 1, let bad = Self.append(array, to: &ids, vocabulary) else {
        throw ShardError(
          .unsupported, data.name, "sample \(number) is not a list of integers, but \(array.type) \(array.shape)")
      }
      guard bad < 0 else {
        let id = ids[ids.count - count + bad]
        throw ShardError(
          .malformed, data.name,
          "token \(bad) of sample \(number) is \(id), the vocabulary has \(vocabulary) tokens",
          hint: "Tokenize with the tokenizer that the model is for.")
      }
    }
  }

  /// - Returns: the position of an id outside the vocabulary; -1: there is none; nil: the array is not of integers.
  private static func append(_ array: MDSArray, to ids: inout [Int32], _ vocabulary: Int) -> Int? {
    switch array.type {
    case .uint8: append(array.bytes, UInt8.self, to: &ids, vocabulary)
    case .int8: append(array.bytes, Int8.self, to: &ids, vocabulary)
    case .uint16: append(array.bytes, UInt16.self, to: &ids, vocabulary)
    case .int16: append(array.bytes, Int16.self, to: &ids, vocabulary)
    case .uint32: append(array.bytes, UInt32.self, to: &ids, vocabulary)
    case .int32: append(array.bytes, Int32.self, to: &ids, vocabulary)
    case .uint64: append(array.bytes, UInt64.self, to: &ids, vocabulary)
    case .int64: append(array.bytes, Int64.self, to: &ids, vocabulary)
    case .float16, .float32, .float64: nil
    }
  }

  private static func append<T: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _: T.Type, to ids: inout [Int32], _ vocabulary: Int
  ) -> Int {
    let count = bytes.count / MemoryLayout<T>.size
    let start = ids.count
    ids.append(contentsOf: repeatElement(0, count: count))
    // The greatest id is compared once; its position is searched only if it is too great. Negative ids become great
    // ones.
    var greatest: UInt64 = 0
    ids.withUnsafeMutableBufferPointer { ids in
      for i in 0..<count {
        let id = T(littleEndian: bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: T.self))
        greatest = max(greatest, UInt64(truncatingIfNeeded: id))
        ids[start + i] = Int32(truncatingIfNeeded: id)
      }
    }
    guard greatest >= UInt64(vocabulary) else { return -1 }
    return (0..<count).first {
      let id = bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)
      return UInt64(truncatingIfNeeded: id) >= UInt64(vocabulary)
    } ?? -1
  }

  /// Data sets that do not name the documents of their samples.
  var withoutDocuments: [MDSDataset] { zip(datasets, documentColumns).filter { $1 == nil }.map { $0.0 } }

  /// The documents in a sample, in order; none if the data set does not name them.
  /// - Throws: `ShardError` if the shard cannot be fetched or read.
  public func documents(of sample: Int) throws(ShardError) -> [DocumentPart] {
    let (dataset, number) = place(of: sample)
    guard let column = documentColumns[dataset] else { return [] }
    let text = try datasets[dataset].bytes(column, of: number)
    let parts = (try? JSONValue.parse(text))?.value.array?.map(\.array) ?? []
    return parts.compactMap { part in
      guard let part, part.count == 3, let id = part[0].string, let from = part[1].integer,
        let count = part[2].integer, 0...1 << 32 ~= count
      else { return nil }
      return DocumentPart(id: id, from: from, count: count)
    }
  }

  /// Announces the next samples, soonest first.
  func prefetch(_ samples: [Int]) {
    if datasets.count == 1 { return datasets[0].prefetch(samples) }
    for (number, dataset) in datasets.enumerated() {
      let range = starts[number]..<starts[number] + dataset.samples
      dataset.prefetch(samples.lazy.filter { range.contains($0) }.map { $0 - range.lowerBound })
    }
  }
}
