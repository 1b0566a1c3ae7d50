import PipelineKit
import ShardKit

/// The label of a document in its metadata.
final class LabelReader {
  /// Why a document cannot be learned from.
  struct Unusable: Error { var reason: DropReason }

  private let reader: MetadataReader
  private let positives: Set<String>
  private let negatives: Set<String>

  init(_ options: ClassifierTrain.Options) {
    reader = MetadataReader([options.labelField])
    positives = Set(options.positiveLabels)
    negatives = Set(options.negativeLabels)
  }

  /// - Returns: whether the document is positive.
  func read(_ metadata: [UInt8]) -> Result<Bool, Unusable> {
    var label: String?
    reader.read(metadata) { _, value, kind in
      if kind != .object, kind != .array, kind != .null { label = String(decoding: value, as: UTF8.self) }
    }
    guard let label else { return .failure(Unusable(reason: DropReason("no-label"))) }
    if positives.contains(label) { return .success(true) }
    if negatives.isEmpty || negatives.contains(label) { return .success(false) }
    return .failure(Unusable(reason: DropReason("other-label", detail: String(label.prefix(80)))))
  }
}
