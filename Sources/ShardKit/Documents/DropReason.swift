/// Why a document is dropped: shown in drop records, in `pipeline trace` and in the ledger.
///
///     try workspace.drop(document, .tooShort(characters, minimum: 100))
public struct DropReason: Equatable, Sendable {
  /// Stable and lowercase, such as `too-short`: drops are counted by this name.
  public var name: String
  /// The measured value, compared with `threshold`.
  public var value: Double?
  public var threshold: Double?
  /// The id of the document that this one duplicates.
  public var survivor: [UInt8]?
  public var detail: String?

  public init(
    _ name: String, value: Double? = nil, threshold: Double? = nil, survivor: [UInt8]? = nil, detail: String? = nil
  ) {
    self.name = name
    self.value = value
    self.threshold = threshold
    self.survivor = survivor
    self.detail = detail
  }

  /// The text is empty, or nothing of it remains.
  public static let empty = DropReason("empty")

  /// It was taken down: the store must not hold it any more.
  public static let removed = DropReason("removed")

  public static func tooShort(_ characters: Int, minimum: Int) -> DropReason {
    DropReason("too-short", value: Double(characters), threshold: Double(minimum))
  }

  public static func tooLarge(_ bytes: Int? = nil, maximum: Int, detail: String? = nil) -> DropReason {
    DropReason("too-large", value: bytes.map(Double.init), threshold: Double(maximum), detail: detail)
  }

  /// Too large a fraction of its bytes is undecodable.
  public static func undecodable(_ fraction: Double, maximum: Double) -> DropReason {
    DropReason("undecodable", value: fraction, threshold: maximum)
  }
}
