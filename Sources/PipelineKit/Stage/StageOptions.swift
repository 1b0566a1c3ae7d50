public import ShardKit

/// A stage's options: a struct that declares each option once, with its default, documentation and bounds.
///
///     struct Options: StageOptions {
///       @Option("Shorter documents are dropped.", in: 0...1_000_000) var minimumBytes = 200
///       @OptionGroup var network: NetworkOptions
///     }
///
/// The property name is the option name in pipeline files. The declaration order is the order in documentation, in the
/// schema and in fingerprints. Every stored property must be declared this way; decoding copies these declarations with
/// other values.
public protocol StageOptions: Sendable, Decodable {
  init()
}

extension StageOptions {
  /// The options in order, with groups expanded in place, each with its value. Uses reflection: do not call per
  /// document.
  public var fields: [OptionField] {
    Mirror(reflecting: self).children.flatMap { child -> [OptionField] in
      if let group = child.value as? any DeclaredGroup { return group.fields }
      guard let option = child.value as? any DeclaredOption, let label = child.label else {
        fatalError("\(Self.self).\(child.label ?? "?") is neither an @Option nor an @OptionGroup")
      }
      // The property wrapper of `x` is stored as `_x`.
      return [OptionField(name: label.hasPrefix("_") ? String(label.dropFirst()) : label, option: option)]
    }
  }

  /// The options in order, with their defaults.
  public static var fields: [OptionField] { Self().fields }

  /// Options with these values; every option must be included.
  init(fields: [OptionField]) {
    do { self = try Self(from: OptionDecoder(fields)) } catch { fatalError("\(Self.self) cannot be read: \(error)") }
  }
}

/// What is wrong with an option's value, without its location.
public struct OptionProblem: DescribedError, Equatable {
  public var message: String
  public init(_ message: String) { self.message = message }
}
