"""Guidance: what people are to do, for each hazard and level, in both languages.

Source  Dachuan district, Sichuan: three avoidances 三避让 (提前避让, 主动避让, 预防避让), evacuate at once 三个紧急撤离
        (at a hidden-danger point in heavy rain; on any abnormal sign; when danger cannot be judged); the rest our choice
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.hazard import Hazard

Four = tuple[str, str, str, str]
"""Blue, yellow, orange, red."""

ZH: Mapping[Hazard, Four] = {
    Hazard.RAINSTORM: (
        "请关注天气变化，检查排水和危险区域，责任人到岗。",
        "请减少外出，远离河道、陡坡和低洼地带，责任人到岗巡查。",
        "请停止户外作业，危险区群众做好转移准备，提前避让。",
        "请立即停止户外活动，危险区群众立即转移，学校、工地停课停工。",
    ),
    Hazard.FLASH_FLOOD: (
        "危险区责任人立即到岗，请勿在河边、沟边停留。",
        "请加强巡查，危险区群众做好转移准备，远离河道沟谷。",
        "请危险区群众立即做好转移准备，提前避让，老人儿童先行转移。",
        "请危险区群众立即向高处转移，不要涉水过沟，不要返回取物。",
    ),
    Hazard.FLOOD: (
        "请关注水位变化，沿河责任人到岗。",
        "请远离河岸，沿河低洼处做好转移准备。",
        "请沿河低洼处群众准备转移，提前避让。",
        "请沿河低洼处群众立即转移到高处。",
    ),
    Hazard.LANDSLIDE: (
        "请加强监测巡查，发现裂缝、落石等异常时主动避让。",
        "请责任人到岗加密巡查，受威胁群众做好转移准备，提前避让。",
        "请受威胁群众提前避让，停止坡下作业；雨大、有异常、险情难判时，立即紧急撤离。",
        "请受威胁群众立即紧急撤离，封闭道路，不要返回危险区。",
    ),
    Hazard.DEBRIS_FLOW: (
        "请关注降雨，勿在沟道停留。",
        "请沟口责任人到岗巡查，做好转移准备。",
        "请沟道两侧群众提前避让，准备转移。",
        "请沟道两侧群众立即向两侧高处撤离，不要顺沟跑。",
    ),
    Hazard.EARTHQUAKE: (
        "可能有轻微震感，请保持镇静。",
        "请远离悬挂物和玻璃，注意避险。",
        "请立即就近避险：伏地、遮挡、抓牢，震后撤到空旷处。",
        "请立即避险：伏地、遮挡、抓牢；平房和一楼人员迅速跑到空旷处，远离山坡。",
    ),
    Hazard.FOREST_FIRE: (
        "请核实火情，护林员到岗。",
        "请立即派人核实火情，做好扑救准备，群众远离林区。",
        "请扑救队伍到位，下风向群众做好转移准备，切勿自行进山扑火。",
        "请下风向群众立即转移，避开山谷和草坡，切勿自行进山扑火。",
    ),
    Hazard.FIRE_DANGER: (
        "请注意林区用火安全。",
        "林区严格控制野外用火。",
        "林区禁止一切野外用火，加强巡护。",
        "林区禁止一切野外用火，封山管控，扑救队伍靠前待命。",
    ),
    Hazard.STATION: ("请安排检修。",) * 4,
}
EN: Mapping[Hazard, Four] = {
    Hazard.RAINSTORM: (
        "Watch the weather, check drains and places at risk; those in charge at their posts.",
        "Stay in where you can, keep away from rivers, steep slopes and low ground.",
        "Stop work outdoors; people in danger zones get ready to move, and move early.",
        "Stay inside; people in danger zones move now; schools and sites close.",
    ),
    Hazard.FLASH_FLOOD: (
        "Those in charge of danger zones at their posts at once; keep away from streams.",
        "Patrol more often; people in danger zones prepare to move.",
        "People in danger zones get ready to move at once, old people and children first.",
        "People in danger zones move uphill now. Do not cross water, do not go back.",
    ),
    Hazard.FLOOD: (
        "Watch the river; those in charge at their posts.",
        "Keep away from the banks; low ground by the river prepares to move.",
        "People on low ground by the river get ready to move, and move early.",
        "People on low ground by the river move to high ground now.",
    ),
    Hazard.LANDSLIDE: (
        "Watch and patrol; at cracks, falling stones or other signs keep away.",
        "Patrol more often; people below the slope prepare to move.",
        "People below the slope move early; in heavy rain, at any sign, or in doubt, leave at once.",
        "People below the slope leave now. Close the roads, do not go back.",
    ),
    Hazard.DEBRIS_FLOW: (
        "Watch the rain; do not stay in gullies.",
        "Those in charge at the gully mouths; prepare to move.",
        "People along the gully get ready to move, and move early.",
        "People along the gully climb to either side now, never along it.",
    ),
    Hazard.EARTHQUAKE: (
        "Slight shaking is possible. Keep calm.",
        "Keep away from glass and hanging things.",
        "Drop, cover, hold on. Go to open ground when the shaking stops.",
        "Drop, cover, hold on; from ground floors go to open ground, away from slopes.",
    ),
    Hazard.FOREST_FIRE: (
        "Check the sighting; rangers at their posts.",
        "Send someone to check at once, get ready to fight it; people keep out of the forest.",
        "Crews in place; people downwind get ready to move. Do not fight it yourself.",
        "People downwind move now, away from valleys and grass. Do not fight it yourself.",
    ),
    Hazard.FIRE_DANGER: (
        "Take care with fire in the forest.",
        "Open fire in the forest is restricted.",
        "No open fire in the forest; patrol more often.",
        "No open fire; forests are closed, crews stand by.",
    ),
    Hazard.STATION: ("Please arrange a repair.",) * 4,
}
CANCEL_ZH = "危险降低，请仍注意安全，返回前听从当地安排。"
CANCEL_EN = "The danger is lower. Stay careful, and go back only when local officers say so."
MENDED_ZH = "无需处理。"
MENDED_EN = "Nothing to do."
