import ShardKit

/// A bucket with a key or key prefix: `s3://bucket/some/key`.
public struct S3Location: Hashable, Sendable, CustomStringConvertible {
  public var bucket: String
  public var key: String

  public init(bucket: String, key: String) {
    self.bucket = bucket
    self.key = key
  }

  /// Reads `s3://bucket/key`.
  /// - Throws: `NetError` (`.address`) if it is not one, or the bucket's name or the key is not valid.
  public init(_ text: String) throws(NetError) {
    guard text.hasPrefix("s3://") else {
      throw NetError(.address, "", "'\(text)' is not a valid S3 location", hint: "Write it as s3://bucket/prefix.")
    }
    let parts = text.utf8.dropFirst(5).split(separator: 0x2F, maxSplits: 1, omittingEmptySubsequences: false)
    bucket = String(Substring(parts[0]))
    key = parts.count > 1 ? String(Substring(parts[1])) : ""
    let isName = bucket.utf8.allSatisfy {
      $0 >= 97 && $0 <= 122 || $0 >= 65 && $0 <= 90 || $0 >= 48 && $0 <= 57 || [45, 46, 95].contains($0)
    }
    guard isName, (3...255).contains(bucket.utf8.count), !bucket.hasPrefix("."), !bucket.contains("..") else {
      throw NetError(
        .address, "", "'\(bucket)' is not a valid bucket name",
        hint: "Names consist of 3 to 63 lower-case letters, digits, dots and hyphens.")
    }
    try checkKey()
  }

  /// A key below this one, separated by one slash.
  public func appending(_ name: String) -> S3Location {
    let start = key.isEmpty || key.hasSuffix("/") ? key : key + "/"
    return S3Location(bucket: bucket, key: start + name)
  }

  /// Throws for keys that URLs cannot contain or servers do not accept.
  func checkKey() throws(NetError) {
    guard key.utf8.count <= 1024 else {
      throw NetError(.address, "\(self)", "the key has \(key.utf8.count) bytes; S3 accepts at most 1024")
    }
    guard !ArchivePath.parts(key).contains(where: { $0 == "." || $0 == ".." })
    else {
      throw NetError(.address, "\(self)", "the key has '.' or '..' between slashes, which URLs cannot contain")
    }
  }

  public var description: String { key.isEmpty ? "s3://\(bucket)" : "s3://\(bucket)/\(key)" }
}
