import PipelineKit

extension StageRegistry {
  /// Every stage that comes with pipeline. A new stage is one file and one line here.
  public static let builtin = StageRegistry([
    StageDescription(AozoraCrawl.self),
    StageDescription(AozoraRead.self),
    StageDescription(CC100Read.self),
    StageDescription(ConvertHuggingFace.self),
    StageDescription(DedupeExact.self),
    StageDescription(DedupeMinHash.self),
    StageDescription(DietCrawl.self),
    StageDescription(DietRead.self),
    StageDescription(DocumentsRead.self),
    StageDescription(FineTune.self),
    StageDescription(HuggingFaceRead.self),
    StageDescription(HTTPDownload.self),
    StageDescription(LLMJPSample.self),
    StageDescription(EvaluateJGLUE.self),
    StageDescription(EvaluateRetrieval.self),
    StageDescription(EvaluateSTS.self),
    StageDescription(FilterLanguage.self),
    StageDescription(Pretrain.self),
    StageDescription(EvaluateMLM.self),
    StageDescription(FilterQuality.self),
    StageDescription(MDSRead.self),
    StageDescription(MDSWrite.self),
    StageDescription(MixSplit.self),
    StageDescription(MixRebalance.self),
    StageDescription(ReportModelCard.self),
    StageDescription(TextClean.self),
    StageDescription(WikipediaDownload.self),
    StageDescription(WikipediaExtract.self),
    StageDescription(TextRead.self),
    StageDescription(TokenizerTrain.self),
    StageDescription(TokenizerEvaluate.self),
    StageDescription(Tokenize.self),
  ])
}
