import ShardKit

extension HubClient {
  /// Statistics of an upload of objects.
  public struct Sent: Equatable, Sendable {
    public var objects = 0
    public var bytes: Int64 = 0
    /// Bytes of parts that an earlier attempt had uploaded.
    public var resumedBytes: Int64 = 0

    public init() {}
  }

  /// Uploads the objects that the storage does not have, one after another, each content once.
  /// - Parameters:
  ///   - state: a folder that records uploaded parts, so that a killed upload can be resumed.
  ///   - progress: called after each part and each complete object; an error that it throws ends the upload.
  /// - Throws: `NetError` if a file cannot be used (`.storage`) or a server refuses; what `progress` throws.
  public func send(
    _ objects: [HubCandidate], revision: String, state: String,
    progress: @escaping (Int64) throws(NetError) -> Void = { _ in }
  ) throws(NetError) -> Sent {
    var sent = Sent()
    var names: Set<String> = []
    let objects = objects.filter { names.insert($0.sha256.hex).inserted }
    for start in stride(from: 0, to: objects.count, by: 100) {
      let some = Array(objects[start..<min(start + 100, objects.count)])
      let orders = try orders(for: some, revision: revision)
      for object in some {
        guard case .send(let transfer) = orders[object.sha256.hex]! else { continue }
        try HubObjectSending(self, object, revision, state, progress).run(transfer, &sent)
      }
    }
    return sent
  }
}

/// The upload of one object to the storage.
private final class HubObjectSending {
  private let client: HubClient
  private let object: HubCandidate
  private let revision: String
  private let progress: (Int64) throws(NetError) -> Void
  private var state: HubPartsState

  init(
    _ client: HubClient, _ object: HubCandidate, _ revision: String, _ folder: String,
    _ progress: @escaping (Int64) throws(NetError) -> Void
  ) {
    self.client = client
    self.object = object
    self.revision = revision
    self.progress = progress
    state = HubPartsState(folder: folder, oid: object.sha256.hex)
  }

  /// Signed URLs expire: the storage then returns 403, or 404 for an upload that it has aborted. New URLs are requested
  /// as long as each round makes progress.
  func run(_ first: HubObjectTransfer, _ sent: inout HubClient.Sent) throws(NetError) {
    var transfer = first
    var isLeftOver = false
    if !transfer.parts.isEmpty, let left = state.resume(objectBytes: object.bytes), left.upload != first.upload {
      transfer = left
      isLeftOver = true
    }
    var fruitless = 0
    while true {
      let before = sent.bytes
      do throws(NetError) {
        try transfer.parts.isEmpty ? sendWhole(transfer, &sent) : sendParts(transfer, &sent)
        try verify(transfer)
        try state.discard()
        sent.objects += 1
        return
      } catch {
        guard let status = error.status else { throw error }
        guard [400, 401, 403, 404, 410].contains(status) else {
          // The state from an earlier run may be unusable and would break every run.
          guard isLeftOver else { throw error }
          try state.discard()
          (transfer, isLeftOver) = (first, false)
          continue
        }
        isLeftOver = false
        fruitless = sent.bytes > before ? 0 : fruitless + 1
        guard fruitless < 3 else { throw error }
        if status == 404 { try state.discard() }
        guard case .send(let fresh) = try client.orders(for: [object], revision: revision)[object.sha256.hex]! else {
          return try state.discard()
        }
        transfer = fresh
      }
    }
  }

  private func sendWhole(_ transfer: HubObjectTransfer, _ sent: inout HubClient.Sent) throws(NetError) {
    var request = HTTPRequest(.put, transfer.target)
    for member in transfer.headers {
      if let value = member.value.string { request.headers[member.key] = value }
    }
    request.body = .file(path: object.file, length: object.bytes)
    try taken(client.http.send(request))
    sent.bytes += object.bytes
    try progress(object.bytes)
  }

  private func sendParts(_ transfer: HubObjectTransfer, _ sent: inout HubClient.Sent) throws(NetError) {
    try state.begin(transfer)
    for (index, address) in transfer.parts.enumerated() {
      let offset = Int64(index) * transfer.partBytes
      let bytes = min(transfer.partBytes, object.bytes - offset)
      if state.etags[index + 1] != nil {
        sent.resumedBytes += bytes
        continue
      }
      var request = HTTPRequest(.put, address)
      request.body = .file(path: object.file, offset: offset, length: bytes)
      let response = try taken(client.http.send(request))
      guard let etag = response.headers["ETag"], !etag.isEmpty else {
        throw NetError(.content, address.shown, "the storage returned no ETag for part \(index + 1) of \(object.path)")
      }
      try state.add(part: index + 1, etag: etag, upload: transfer.upload)
      sent.bytes += bytes
      try progress(bytes)
    }
    try complete(transfer)
  }

  private func complete(_ transfer: HubObjectTransfer) throws(NetError) {
    let parts = state.etags.sorted { $0.key < $1.key }.map { number, etag -> JSONValue in
      ["partNumber": .integer(number), "etag": .string(etag)]
    }
    // Signed like the parts' URLs; it needs no token.
    var request = HTTPRequest(.post, transfer.target)
    request.isRepeatable = true
    // Completing an object from its parts may take minutes.
    request.stallSeconds = 600
    request.headers["Content-Type"] = HubClient.lfsType
    request.headers["Accept"] = HubClient.lfsType
    let body: JSONValue = ["oid": .string(object.sha256.hex), "parts": .list(parts)]
    request.body = .bytes(Array(body.text().utf8))
    try taken(client.http.send(request))
  }

  private func verify(_ transfer: HubObjectTransfer) throws(NetError) {
    guard let address = transfer.verify else { return }
    let body: JSONValue = ["oid": .string(object.sha256.hex), "size": .integer(Int(object.bytes))]
    let response = try client.send(client.post(address, body, type: HubClient.lfsType))
    guard response.head.isSuccess else {
      var error = NetError(
        .content, address.shown, "the Hub cannot find \(object.path) in its storage (\(response.status))",
        hint: "Run again: it is uploaded again.")
      error.isTransient = true
      throw error
    }
  }

  /// The storage's response; throws if it is a refusal.
  @discardableResult
  private func taken(_ response: HTTPResponse) throws(NetError) -> HTTPResponse {
    guard response.head.isSuccess else {
      var error = NetError(
        .status, response.url.shown, "the storage responded with \(response.status) for \(object.path)",
        hint: "Run again: uploaded parts are kept.")
      error.status = response.status
      error.isTransient = [401, 403, 404].contains(response.status)
      throw error
    }
    return response
  }
}
