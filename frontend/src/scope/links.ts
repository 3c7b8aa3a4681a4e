import type { Unit } from "../api/microscope";
import { address } from "../app/address";

const part = encodeURIComponent;

/** Addresses of the microscope's pages. */
export const pages = {
  units: (index: string) => address("/units", { index }),
  layer: (index: string, layer: string) => address(`/units/${part(layer)}`, { index }),
  unit: (index: string, { layer, channel }: Unit) =>
    address(`/units/${part(layer)}/${channel}`, { index }),
  /** The units that push a class up. */
  pushing: (index: string, number: number) =>
    address("/units", { index, sort: "push", class: String(number) }),
  photograph: (index: string, row: number) => address(`/photographs/${row}`, { index }),
  confusions: (index: string) => address("/confusions", { index }),
  map: (index: string) => address("/map", { index }),
};

export const unitName = ({ layer, channel }: Unit): string => `${layer}:${channel}`;
