/// Finds values in documents' metadata by key, such as `url` or `dedup_meta.token_count`.
public final class MetadataReader {
  public typealias Found = (_ path: Int, _ value: UnsafeRawBufferPointer, _ kind: JSONObjectReader.Kind) -> Void

  public let paths: [String]
  private let root: Branch

  /// - Parameter paths: keys joined by dots.
  public init(_ paths: [String]) {
    self.paths = paths
    root = Branch(paths.enumerated().map { ($0.offset, $0.element.split(separator: ".")[...]) })
  }

  /// Calls `found` with the index of each path that the object has, in the object's order. Slices are valid until the
  /// next call. Metadata that is not a JSON object has no values.
  public func read(_ metadata: UnsafeRawBufferPointer, _ found: Found) {
    if metadata.count > 0 && !paths.isEmpty { root.read(metadata, found) }
  }

  public func read(_ metadata: [UInt8], _ found: Found) { metadata.withUnsafeBytes { read($0, found) } }
}

/// The wanted keys of one object, with a padded copy of the object for the slices to point into.
private final class Branch {
  private var leaves: [(key: [UInt8], path: Int)] = []
  private var branches: [(key: [UInt8], branch: Branch)] = []
  private let reader = JSONObjectReader()
  private let padded = PaddedCopy()

  init(_ paths: [(number: Int, keys: ArraySlice<Substring>)]) {
    for key in Set(paths.compactMap { $0.keys.first.map { ExactText($0) } }).sorted() {
      let below = paths.filter { $0.keys.first?.isExactly(key.text) ?? false }.map { ($0.number, $0.keys.dropFirst()) }
      for (path, rest) in below where rest.isEmpty { leaves.append((Array(key.text.utf8), path)) }
      let deeper = below.filter { !$0.1.isEmpty }
      if !deeper.isEmpty { branches.append((Array(key.text.utf8), Branch(deeper))) }
    }
  }

  func read(_ object: UnsafeRawBufferPointer, _ found: MetadataReader.Found) {
    _ = reader.read(padded: padded.copy(object)) { field in
      for (key, path) in leaves where field.key.elementsEqual(key) { found(path, field.value, field.kind) }
      guard field.kind == .object else { return }
      for (key, branch) in branches where field.key.elementsEqual(key) { branch.read(field.value, found) }
    }
  }
}
