import NetKit
public import PipelineKit
public import ShardKit

/// A bucket that people share artifacts through. Endpoint, region and keys come from the environment.
public struct S3Remote: ArtifactRemote {
  private let root: S3Location
  private let access: S3Access
  private let network: NetworkOptions
  private let politeness: Politeness

  /// - Parameter place: `s3://bucket/prefix`.
  /// - Throws: `StageError` (`.options`) if the place or the environment's endpoint is not valid.
  public init(_ place: String) throws {
    root = try S3Location.stated(place, option: "remote")
    var network = NetworkOptions(delaySeconds: 0, attempts: 8)
    // Whoever sets another endpoint in the environment has chosen it.
    network.allowPrivateAddresses = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].contains { environmentValue($0) != nil }
    do throws(NetError) { access = try S3Options().access() } catch {
      throw StageError(.options, "remote", error.message, hint: error.hint)
    }
    self.network = network
    politeness = network.politeness(requestsAtOnce: 64)
  }

  public var name: String { "\(root)" }

  private func place(_ digest: Digest) -> S3Location { root.appending(digest.remoteKey) }

  private func asking<T>(_ body: (S3Client) throws -> T) throws -> T {
    do {
      return try body(S3Client(try network.client(politeness, TaskControl()) { _ in }, access))
    } catch let error as NetError {
      throw StageError(.environment, error.subject, error.message, hint: error.hint)
    }
  }

  /// Whether an object of this size is there, stored by pipeline with this digest.
  /// - Throws: `StageError` without keys or connection, or if the service refuses.
  public func has(_ digest: Digest, bytes: Int64) throws -> Bool {
    try asking { client in
      guard let object = try client.head(place(digest)) else { return false }
      return object.bytes == bytes && object.digest == digest
    }
  }

  /// Downloads an object, no more than it must have.
  /// - Throws: `StageError` without keys or connection, or if the service refuses or sends more.
  public func fetch(_ digest: Digest, bytes: Int64, to path: String) throws -> Bool {
    try asking { client in
      do throws(NetError) {
        _ = try client.download(place(digest), to: path, maximumBytes: max(bytes, 1))
        return true
      } catch {
        if error.status == 404 { return false }
        throw error
      }
    }
  }

  /// Larger files are sent in parts.
  private static let partBytes: Int64 = 256 << 20

  /// Uploads a file; the service checks its digest.
  /// - Throws: `StageError` without keys or connection, or if the service refuses; what reading throws.
  public func store(_ path: String, _ digest: Digest, bytes: Int64) throws {
    try asking { client in
      guard bytes > Self.partBytes else {
        try client.put(place(digest), file: path, bytes: bytes, digest: digest)
        return
      }
      let place = place(digest)
      let upload = try client.createUpload(place, digest: digest, withChecksums: true)
      var parts: [S3Part] = []
      var offset: Int64 = 0
      let size = max(Self.partBytes, (bytes / Int64(S3Client.mostParts - 1)) + 1)
      while offset < bytes {
        let length = min(size, bytes - offset)
        let sum = try Checksum.of(file: path, .sha256, offset: offset, bytes: length)
        parts.append(
          try client.upload(
            parts.count + 1, of: upload, place, file: path, offset: offset, bytes: length, digest: sum,
            withChecksum: true))
        offset += length
      }
      _ = try client.completeUpload(upload, place, parts: parts, bytes: bytes, digest: digest)
    }
  }
}
