import ShardKit

/// A task as it is handed to a job: what `TaskPlan` says, with its fingerprint and its attempt.
struct JobTask: JSONRecord {
  struct File: Codable {
    var path: String
    var name: String
    var bytes: Int64
    var digest: Digest
    var documents: Int
    var textBytes: Int64
    var seen: FileSystem.Status?
  }

  struct Role: Codable {
    var role: String
    var files: [File]
  }

  var key: String
  var fingerprint: Digest
  var inputs: [Role]
  /// As JSON.
  var payload: String
  var resources: TaskResources
  var stateKey: String
  /// From 1.
  var attempt: Int
  /// Jobs that died while they ran it, that lost their node, and that died before it began or stopped it too early;
  /// counted since it last got further.
  var deaths = 0
  var lostNodes = 0
  var restarts = 0
  /// How far it was at most, 0…1, where it says so.
  var fraction: Double?

  init(_ plan: TaskPlan, fingerprint: Digest, attempt: Int) {
    key = plan.key
    self.fingerprint = fingerprint
    inputs = plan.inputs.byRole.map { Role(role: $0.role.name, files: $0.files.map(File.init)) }
    payload = plan.payload.text()
    resources = plan.resources
    stateKey = plan.stateKey
    self.attempt = attempt
  }

  mutating func forgetLosses() { (deaths, lostNodes, restarts) = (0, 0, 0) }

  /// - Throws: `ShardError` (`.malformed`) if its payload is not JSON.
  func plan() throws(ShardError) -> TaskPlan {
    var inputs: TaskInputs = [:]
    for role in self.inputs {
      inputs += TaskInputs(dictionaryLiteral: (TaskInputs.Role(stringLiteral: role.role), role.files.map(\.file)))
    }
    var plan = TaskPlan(key: key, inputs: inputs, stateKey: stateKey)
    plan.resources = resources
    do { plan.payload = try JSONValue.parse(payload).value } catch {
      throw ShardError(.malformed, "task \(key)", "has a payload that is not JSON: \(error)")
    }
    return plan
  }
}

extension JobTask.File {
  init(_ file: ArtifactFile) {
    path = file.path
    name = file.name
    bytes = file.bytes
    digest = file.digest
    documents = file.documents
    textBytes = file.textBytes
    seen = file.seen
  }

  var file: ArtifactFile {
    var file = ArtifactFile(
      path: path, name: name, bytes: bytes, digest: digest, documents: documents, textBytes: textBytes)
    file.seen = seen
    return file
  }
}
