public import ShardKit

/// Documents and their text bytes.
public struct Count: JSONRecord, Equatable, Sendable {
  public var documents: Int
  public var bytes: Int64

  private enum CodingKeys: CodingKey { case documents, bytes }

  public init(documents: Int = 0, bytes: Int64 = 0) {
    self.documents = documents
    self.bytes = bytes
  }

  public mutating func add(documents: Int = 1, bytes: Int) {
    self.documents += documents
    self.bytes += Int64(bytes)
  }

  public static func += (a: inout Count, b: Count) {
    a.documents += b.documents
    a.bytes += b.bytes
  }
}

/// Accounts for every document. A ledger balances if
/// `input + repeated = output + dropped + merged + consumed`, in documents.
public struct Ledger: JSONRecord, Equatable, Sendable {
  public var input = Count()
  public var output = Count()
  /// By reason.
  public var dropped: [String: Count] = [:]
  /// Documents merged into another one (the speeches of a meeting), by reason.
  public var merged: [String: Count] = [:]
  /// Extra copies made intentionally (upsampling), by reason.
  public var repeated: [String: Count] = [:]
  /// Read by a stage that writes no documents (the training text of a tokenizer).
  public var consumed = Count()

  public init() {}

  /// 0 if balanced; positive if documents are missing.
  public var imbalance: Int {
    input.documents + repeated.values.reduce(0) { $0 + $1.documents } - output.documents - droppedDocuments
      - merged.values.reduce(0) { $0 + $1.documents } - consumed.documents
  }

  public var droppedDocuments: Int { dropped.values.reduce(0) { $0 + $1.documents } }

  public static func += (a: inout Ledger, b: Ledger) {
    a.input += b.input
    a.output += b.output
    a.consumed += b.consumed
    for (reason, count) in b.dropped { a.dropped[reason, default: Count()] += count }
    for (reason, count) in b.merged { a.merged[reason, default: Count()] += count }
    for (reason, count) in b.repeated { a.repeated[reason, default: Count()] += count }
  }
}

extension Count {
  public init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    documents = try members.decode(Int.self, forKey: .documents, in: 0...1 << 50)
    bytes = try members.decode(Int64.self, forKey: .bytes, in: 0...1 << 50)
  }
}
