public import ShardKit

/// A stage with options whose defaults follow from other options.
///
/// The phases that use such an option get its value, and fingerprints and manifests have it. So a phase need not use what
/// the value follows from, and its tasks stay valid while the value does.
public protocol DerivedOptions: Stage {
  /// The values of such options that are null, by option name.
  var derived: [String: JSONValue] { get }
}

extension Stage {
  /// What `DerivedOptions.derived` says.
  var derivedOptions: [String: JSONValue] { (self as? any DerivedOptions)?.derived ?? [:] }
}
