/// Names and places of the variants of a pipeline that an ablation runs.
public enum PipelineVariant {
  /// The pipeline name under which a variant's runs are recorded.
  /// - Parameter variant: `without-dedupe/seed-1`
  public static func pipelineName(_ variant: String, of pipeline: String) -> String { "\(pipeline):\(variant)" }

  /// Whether a pipeline name is that of a variant.
  static func isVariant(_ name: String, of pipeline: String) -> Bool { name.hasPrefix(pipeline + ":") }

  /// The folder of a store that has the pipeline files of variants, as they ran.
  public static func folder(store: String) -> String { "\(store)/ablations" }

  /// The pipeline file of a variant, as it ran.
  public static func path(_ variant: String, store: String) -> String { "\(folder(store: store))/\(variant).json" }
}
