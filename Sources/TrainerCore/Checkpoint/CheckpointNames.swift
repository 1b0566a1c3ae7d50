import ShardKit

/// Names in a folder of checkpoints.
///
/// `step-00001000` is a complete checkpoint: folders get that name by one rename, when everything in them is durable.
/// Other names begin with a dot: `.step-00001000.partial` is being written, `.replaced` was moved aside for a new one
/// of the same step, `.removed` is being deleted.
enum CheckpointNames {
  /// A file with the name of the newest checkpoint, for people and scripts.
  static let latest = "latest"

  enum Mark: String, CaseIterable { case partial, replaced, removed }

  static func folder(step: Int) -> String {
    "step-" + padded(step, 8)
  }

  static func hidden(step: Int, _ mark: Mark) -> String { ".\(folder(step: step)).\(mark.rawValue)" }

  /// nil for other names.
  static func step(ofFolder name: String) -> Int? {
    guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), step >= 0 else { return nil }
    return folder(step: step) == name ? step : nil
  }

  /// Steps of the checkpoints in a folder, ascending.
  static func steps(in root: String) throws(ShardError) -> [Int] {
    try FileSystem.list(root, others: .passedOver).compactMap { step(ofFolder: $0) }.sorted()
  }

  /// Removes what a killed write has left.
  static func recover(_ root: String) throws(ShardError) {
    for name in try FileSystem.list(root, others: .passedOver) {
      for mark in Mark.allCases where name.hasSuffix(".\(mark.rawValue)") && name.hasPrefix(".step-") {
        let folder = String(name.dropFirst().dropLast(mark.rawValue.utf8.count + 1))
        guard step(ofFolder: folder) != nil else { continue }
        if mark == .replaced && !FileSystem.exists("\(root)/\(folder)") {
          try FileSystem.rename("\(root)/\(name)", to: "\(root)/\(folder)")
        } else {
          try FileSystem.removeTree("\(root)/\(name)")
        }
      }
    }
  }
}
